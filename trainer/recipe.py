"""How candidates are trained: one frozen model, each field with unit and range; no torch here."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainer.data import DataFacts
from trainer.errors import RecipeError


class Recipe(BaseModel):
    """The training recipe, the same for every candidate of a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=8, ge=1)
    """Passes over the training split."""
    batch_size: int = Field(default=64, ge=2)
    """Images per step."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """`sgd`: with momentum; `adamw`: decoupled weight decay."""
    lr: float = Field(default=0.1, gt=0)
    """Peak learning rate, reached after the warm-up."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD; AdamW does not use it."""
    nesterov: bool = True
    """Nesterov momentum of SGD; AdamW does not use it."""
    weight_decay: float = Field(default=5.0e-4, ge=0)
    """L2 penalty (SGD) or decoupled decay (AdamW)."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Learning rate after the warm-up, changed every step: to zero along a cosine, or kept."""
    warmup_epochs: float = Field(default=1, ge=0)
    """Epochs over which the rate rises linearly from near zero; fractions are allowed."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of the target spread over all classes, in training only."""
    gradient_clip_norm: float | None = Field(default=None, gt=0)
    """Largest norm of all gradients together; null leaves them as they are."""
    crop_padding: int = Field(default=0, ge=0)
    """Pixels of zeros around a training image, of which a random part of the old size is cut."""
    flip: bool = False
    """Whether half the training images, by chance, are mirrored left to right."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Lightning's name of the number format."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise RecipeError(
                f"recipe: warmup_epochs <= epochs must hold, got warmup_epochs="
                f"{self.warmup_epochs:g} and epochs={self.epochs}. Shorten the warm-up."
            )
        return self

    def check_fits(self, facts: DataFacts) -> None:
        """Check that every random crop has a part of its image.

        Args:
            facts: Of the images.

        Raises:
            RecipeError: A crop may be of the padding alone.
        """
        side = min(facts.input.height, facts.input.width)
        if self.crop_padding >= side:
            raise RecipeError(
                f"recipe: crop_padding must be less than the images' shorter side, {side} px in "
                f"{facts.name!r}, got crop_padding={self.crop_padding}. Pad less."
            )
