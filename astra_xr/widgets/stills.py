"""The image of a picker in saved notebooks: an output of its own, which the widget hides."""

from __future__ import annotations

import base64
import html
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

_PATIENCE = 0.3
"""Seconds to wait for an image; a later one is put into the output as long as the kernel runs."""


def jpeg(image: npt.NDArray[np.uint8]) -> bytes:
    """Return an RGBA image as a JPEG, on white."""
    alpha = image[..., 3:] / 255
    solid = (image[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return bytes(imagecodecs.jpeg8_encode(solid, level=82))


class Still:
    """The image that viewers without widgets show.

    A viewer that cannot find a widget shows an error message, whatever else the output has. So
    the image is an output of its own, which a view of the widget hides by its class, ``name``. It
    follows the picker, and shows what was visible when the notebook was saved.

    Parameters
    ----------
    title : str
        The caption.
    """

    def __init__(self, title: str) -> None:
        self.name = f"astra-still-{uuid.uuid4().hex[:12]}"
        self._title = title
        self._shown: list[str] = []

    def html(self, image: bytes | None) -> str:
        """Return the image as HTML, or a sentence if there is none."""
        caption = html.escape(self._title)
        if not image:
            return f'<p class="{self.name}">Band picker of {caption}. Run the cell to see it.</p>'
        encoded = base64.b64encode(image).decode()
        return (
            f'<figure class="{self.name}" style="margin:0"><img alt="{caption}" '
            f'style="max-width:100%" src="data:image/jpeg;base64,{encoded}">'
            f'<figcaption style="font-size:smaller;opacity:.7">{caption}. Run the cell to pick '
            "bands.</figcaption></figure>"
        )

    def display(
        self,
        widget: Mapping[str, Any],
        metadata: Mapping[str, Any],
        read: Future[Any],
        image: Callable[[], bytes | None],
    ) -> None:
        """Display the widget, then the image, after waiting briefly for its read."""
        _publish(widget, metadata=metadata)
        wait([read], _PATIENCE)
        self._shown.append(name := uuid.uuid4().hex)
        _publish({"text/html": self.html(image())}, transient={"display_id": name})

    def renew(self, image: bytes) -> None:
        """Replace the image in all outputs."""
        data = {"text/html": self.html(image)}
        for name in self._shown:
            _publish(data, transient={"display_id": name}, update=True)


def _publish(data: Mapping[str, Any], **how: Any) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.instance().display_pub.publish(dict(data), **how)
