"""The service: predictions over HTTP, and a page for people.

::

    from maedfer.serve import ServeSettings
    from maedfer.serve.server import serve

    serve(ServeSettings(port=8000), ready=lambda address, server: print(address))

Videos of strangers are read in processes of their own (:mod:`maedfer.serve.worker`); what knows HTTP never decodes one.
Needs the extra ``serve``.
"""

from maedfer.serve.settings import ReadingSettings, ServeSettings

__all__ = ["ReadingSettings", "ServeSettings"]
