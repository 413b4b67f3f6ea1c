"""Settings of `make demo`: what its pages are called, and when their kernels end."""

from typing import Any

from traitlets.config import get_config

TITLE = "AOT-GAN painter"


def prepare(handler: Any, notebook: Any, cwd: str) -> Any:
    """Names the page, and gives it the cookie that its goodbye to the kernel needs."""
    notebook.metadata["title"] = TITLE
    _ = handler.xsrf_token  # who asks for it sets the cookie
    return notebook


c = get_config()
c.VoilaConfiguration.prelaunch_hook = prepare
# The kernel of a page that said no goodbye ends, too: seconds without a page.
c.MappingKernelManager.cull_idle_timeout = 30
c.MappingKernelManager.cull_interval = 10
