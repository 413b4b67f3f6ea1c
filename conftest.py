"""Notebooks under nbval: kernels of the same kind as those of `aotgan notebook`."""


def pytest_configure(config):
    """Gives nbval, where it runs, the manager of kernels that the project has."""
    if config.getoption("nbval_lax", False) or config.getoption("nbval", False):
        from jupyter_client.manager import KernelManager
        from nbval import kernel

        from aotgan.reproduce.runs.notebook import kernel_manager

        kernel.KernelManager = kernel_manager(KernelManager)
