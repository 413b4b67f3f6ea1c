"""Settings of `make demo`: what its pages are called, and when their kernels end."""

c = get_config()  # noqa: F821  (Jupyter's)

TITLE = "AOT-GAN painter"


def prepare(handler, notebook, cwd):
    """Names the page, and gives it the cookie without which its goodbye to the kernel is refused."""
    notebook.metadata["title"] = TITLE
    return notebook if handler.xsrf_token else None


c.VoilaConfiguration.prelaunch_hook = prepare
# The kernel of a page that said no goodbye ends, too: seconds without a page.
c.MappingKernelManager.cull_idle_timeout = 30
c.MappingKernelManager.cull_interval = 10
