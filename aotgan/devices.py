"""The devices of this machine, by the names that every command takes."""

import platform

import torch

from aotgan.errors import InputError, check_choice

DEVICES = ("auto", "cpu", "cuda", "mps")


def check_device(device: str, devices: int = 1) -> None:
    """Refuses a device that this machine lacks, before anything is built.

    Raises:
        InputError: no such device, or fewer of them than asked for.
    """
    check_choice("device", device, DEVICES)
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    count = there.get(device, devices)
    if count < devices:
        if count == 0:
            raise InputError(f"device={device}: PyTorch finds none here. Choose cpu, or auto.")
        raise InputError(
            f"device={device}, devices={devices}: PyTorch finds {count} here. Ask for fewer."
        )


def find_device(device: str) -> str:
    """Returns the name that PyTorch has for a device; "auto" is the fastest one that is there.

    Raises:
        InputError: no such device.
    """
    check_device(device)
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_name(device: torch.device) -> str:
    """Returns what a device is, such as "NVIDIA H200" or "CPU (x86_64)"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()} ({platform.machine()})"
