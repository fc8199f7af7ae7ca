"""A detector that needs no weights: strongly coloured discs on grey are faces."""

import cv2
import numpy as np

from maedfer.video.align import TEMPLATE
from maedfer.video.types import Face


class DiscFinder:
    """Calls strongly coloured discs faces."""

    def detect(self, image: np.ndarray) -> list[Face]:
        colour = image.max(axis=2).astype(int) - image.min(axis=2)
        count, _, stats, _ = cv2.connectedComponentsWithStats((colour > 100).astype(np.uint8))
        faces = []
        for x, y, width, height, area in stats[1:count].tolist():
            if area >= 200:
                corner = np.array([x, y], dtype=np.float64)
                box = np.array([x, y, x + width, y + height], dtype=np.float32)
                faces.append(Face(box, 0.9, (TEMPLATE * width + corner).astype(np.float32)))
        return faces
