"""The seven models that section 4.2 compares AOT-GAN with, in the project's convention."""
