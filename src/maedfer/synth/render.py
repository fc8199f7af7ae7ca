"""Heads to pixels: one shader on an off-screen OpenGL context (EGL), several faces a frame, no window and no GPU."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8

from maedfer.errors import RenderError
from maedfer.synth.head import Head
from maedfer.synth.paint import BOTTOM, HIGH, LEFT, WIDE, grain
from maedfer.synth.rig import Rig
from maedfer.synth.scene import Lighting
from maedfer.synth.shaders import FRAGMENT, VERTEX

__all__ = ["PIVOT", "Placement", "Renderer", "place_points", "rotation"]

#: Where the head turns on the neck, in eye distances of the head's own frame.
PIVOT = np.array([0.0, -1.5, -1.1], np.float32)
_CENTRE = np.array([0.0, -0.55, 0.3], np.float32)
# How deep a crease is, in eye distances.
_FOLD_DEPTH = 0.014
# Drawn larger and averaged down: in software half the price of a multisampled framebuffer.
_OVER = 1.5


@dataclass(frozen=True)
class Placement:
    """Where a head is in front of the camera, which looks along -z from the origin.

    Attributes:
        head: rotation of the head against the body.
        body: rotation of the whole bust.
        shift: where the middle of the face is, in eye distances; z is negative.
        focal: focal length over half the picture's height.
    """

    head: Float32[np.ndarray, "3 3"]
    body: Float32[np.ndarray, "3 3"]
    shift: Float32[np.ndarray, "3"]
    focal: float


class _Uploaded:
    """A head's buffers on the context."""

    def __init__(self, context: Any, program: Any, head: Head) -> None:
        n = len(head.base)
        self.moving = context.buffer(reserve=n * 24, dynamic=True)
        self.fixed = context.buffer(head.fixed.tobytes())
        self.index = context.buffer(head.triangles.tobytes())
        self.paint = _texture(context, head.paint)
        self.creases = [_texture(context, image) for image in head.creases]
        layout = [
            (self.moving, "3f 3f", "position", "normal"),
            (self.fixed, "3f 3f 4f 1f", "place", "albedo", "traits", "lit"),
        ]
        self.mesh = context.vertex_array(program, layout, self.index)

    def release(self) -> None:
        for thing in (self.mesh, self.moving, self.fixed, self.index, self.paint, *self.creases):
            thing.release()


class Renderer:
    """Draws heads over a background.

    Args:
        rig: whose faces are drawn (kept for the callers; the drawing itself takes any head).
        width: pixels.
        height: pixels.

    Raises:
        RenderError: moderngl or a driver for off-screen OpenGL is missing.
    """

    def __init__(self, rig: Rig, width: int, height: int) -> None:
        self.rig, self.width, self.height = rig, width, height
        self._context = _open_context()
        self._program = self._context.program(VERTEX, FRAGMENT)
        self._size = (round(width * _OVER), round(height * _OVER))
        self._target = self._context.framebuffer(
            [self._context.renderbuffer(self._size, 4)], self._context.depth_renderbuffer(self._size)
        )
        self._grain = _texture(self._context, grain()[..., None])
        self._heads: dict[int, tuple[Head, _Uploaded]] = {}
        self._program["frame"].value = (LEFT, BOTTOM, WIDE, HIGH)
        self._program["pivot"].value = tuple(PIVOT.tolist())
        self._program["centre"].value = tuple(_CENTRE.tolist())
        for unit, name in enumerate(("paint", "creases", "lines", "grain")):
            self._program[name].value = unit

    def load(self, heads: list[Head]) -> None:
        """Keep ``heads`` on the context and drop all others."""
        with self._context:  # another renderer of this process may have been the last to draw
            for _, uploaded in self._heads.values():
                uploaded.release()
            self._heads = {id(h): (h, _Uploaded(self._context, self._program, h)) for h in heads}

    def draw(
        self,
        faces: list[tuple[Head, Float32[np.ndarray, "_ 6"], Float32[np.ndarray, "8"], Placement, Lighting]],
        background: UInt8[np.ndarray, "H W 3"],
    ) -> UInt8[np.ndarray, "H W 3"]:
        """One frame.

        Args:
            faces: loaded head, its posed vertices, its creases, where it is, how it is lit.
            background: the picture behind them.
        """
        columns, rows = self._size
        with self._context:
            self._target.use()
            self._context.enable(self._context.DEPTH_TEST | self._context.BLEND)
            # Colours come out multiplied by how much they cover: all but lenses cover everything.
            self._context.blend_func = (self._context.ONE, self._context.ONE_MINUS_SRC_ALPHA)
            self._context.clear(0.0, 0.0, 0.0, 0.0)
            self._grain.use(3)
            for head, posed, folds, at, lighting in faces:
                uploaded = self._heads[id(head)][1]
                uploaded.moving.write(posed)
                uploaded.paint.use(0)
                uploaded.creases[0].use(1)
                uploaded.creases[1].use(2)
                self._set(head, folds, at, lighting)
                uploaded.mesh.render()
            read = self._target.read(components=4)
        raw = np.frombuffer(read, np.uint8).reshape(rows, columns, 4)[::-1]
        small = cv2.resize(raw, (self.width, self.height), interpolation=cv2.INTER_AREA)
        # Colours come out multiplied by coverage, so the background only has to fill what is left.
        bare = 255 - small[..., 3:].astype(np.uint16)
        return np.asarray((small[..., :3] + (background * bare + 127) // 255).clip(0, 255), np.uint8)

    def _set(self, head: Head, folds: Float32[np.ndarray, "8"], at: Placement, lighting: Lighting) -> None:
        """Tell the shader about one face."""
        program, depth = self._program, float(-at.shift[2])
        program["head"].write(np.ascontiguousarray(at.head.T))
        program["body"].write(np.ascontiguousarray(at.body.T))
        program["shift"].value = tuple(at.shift.tolist())
        program["lens"].value = (at.focal * self.height / self.width, at.focal, max(depth - 5, 0.5), depth + 5)
        program["crease"].value = tuple(folds[:4].tolist())
        program["line"].value = tuple(folds[4:].tolist())
        pixel = depth / (at.focal * self._size[1] / 2)
        curl = 0.35 + 1.6 * head.person.hair.curl
        ragged = 0.35 if head.person.headwear.kind == "none" else 0.0
        program["surface"].value = (0.08 + 0.24 * head.person.pores, _FOLD_DEPTH / pixel, curl, ragged)
        program["hair"].value = tuple(head.cap.tolist())
        program["brow"].value = tuple(head.person.brow.tolist())
        program["toward"].write(lighting.toward)
        program["light"].write(lighting.light)
        program["sky"].value = tuple(lighting.sky.tolist())
        program["ground"].value = tuple(lighting.ground.tolist())
        program["exposure"].value = lighting.exposure

    def close(self) -> None:
        """Give everything on the context back, and the context."""
        self.load([])
        with self._context:
            for thing in (self._grain, self._target, self._program):
                thing.release()
        self._context.release()


def rotation(yaw: float, pitch: float, roll: float) -> Float32[np.ndarray, "3 3"]:
    """Rotation by degrees: yaw turns to the viewer's right, pitch looks down, roll tips to the viewer's left."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_x @ about_y, np.float32)


def place_points(
    points: Float32[np.ndarray, "P 3"], at: Placement, width: int, height: int
) -> Float64[np.ndarray, "P 2"]:
    """Pixel coordinates of points of a head that turn with it."""
    turned = PIVOT + (points - PIVOT) @ at.head.T
    seen = (turned - _CENTRE) @ at.body.T + at.shift
    flat = seen[:, :2] / -seen[:, 2:] * at.focal * height / 2
    return np.asarray(np.stack([width / 2 + flat[:, 0], height / 2 - flat[:, 1]], 1), np.float64)


def _open_context() -> Any:
    """An off-screen context, or an error that says what to install."""
    try:
        import moderngl
    except ImportError as error:
        raise RenderError(
            'moderngl is not installed, and it draws the faces; run: pip install "maedfer[synth]"'
        ) from error
    settings: dict[str, Any] = {"backend": "egl"}
    try:
        return moderngl.create_context(standalone=True, **settings)
    except Exception as error:  # the binding raises bare Exception when libEGL or a driver is not there
        raise RenderError(
            f"no off-screen OpenGL ({error}); on Debian or Ubuntu run: apt-get install libegl1 libgl1"
        ) from error


def _texture(context: Any, image: UInt8[np.ndarray, "H W C"]) -> Any:
    """A texture of an image whose first row is the bottom."""
    import moderngl

    height, width, channels = image.shape
    texture = context.texture((width, height), channels, np.ascontiguousarray(image).tobytes())
    texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
    texture.repeat_x = texture.repeat_y = channels == 1
    return texture
