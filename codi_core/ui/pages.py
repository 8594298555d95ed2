"""Every page of the app: one row here and one file in pages/ of the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Group = Literal["Look", "Push", "Results", "About"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True)
class Page:
    name: str
    """Of its file, and its path in the address."""
    title: str
    icon: str
    """A Material symbol's name."""
    group: Group
    question: str
    """What a visitor learns here; stands beside the title."""
    example: str = ""
    """What its worked example shows (`PageSetup.example`); stands under the question, one click away."""

    @property
    def file(self) -> str:
        return f"pages/{self.name}.py"

    @property
    def symbol(self) -> str:
        """As Streamlit takes it."""
        return f":material/{self.icon}:"


PAGES = (  # the first one opens at `/`
    Page(
        "inspect",
        "Inspect",
        "search",
        "Look",
        "What does the model answer, and what do its latents hold on the way there?",
        "8, 16 and 24 in the latents of the team prompt",
    ),
    Page(
        "detect",
        "Detect",
        "radar",
        "Look",
        "Over many prompts: how often do the latents hold the answer, a step, or any token?",
        "the value of step 2, over 512 prompts",
    ),
    Page(
        "differences",
        "Differences",
        "difference",
        "Look",
        "What does “mean of B minus mean of A” say through a lens?",
        "mean 4 minus mean 2, as the model would say it",
    ),
    Page(
        "geometry",
        "Geometry",
        "scatter_plot",
        "Look",
        "How do the latents lie, and along which directions do they vary?",
        "latents of z, coloured by the value of their step",
    ),
    Page(
        "influence",
        "Influence",
        "hub",
        "Look",
        "Which latents and words does a latent read, and what if it cannot?",
        "the answer no longer sees the latent that holds it",
    ),
    Page("steer", "Steer", "tune", "Push", "What changes when a latent is pushed?", "4 minus 2 added to the cache, twice over"),
    Page(
        "patch",
        "Patch",
        "move_down",
        "Push",
        "What does a latent of one prompt do in another prompt?",
        "the latent that holds 24, put in a prompt whose answer is 30",
    ),
    Page(
        "ablate",
        "Ablate",
        "content_cut",
        "Push",
        "Which latents does the answer need?",
        "what the answers are worth after 0, 1, … 6 passes",
    ),
    Page(
        "compare",
        "Compare",
        "compare_arrows",
        "Results",
        "What differs between two prompts, models, lenses or pushes?",
        "the posts' two prompts on both models that ship",
    ),
    Page("heatmaps", "Heatmaps", "grid_on", "Results", "Which pair, index and coefficient did what?", "A2−B4 at index 5, coefficient +0.5"),
    Page(
        "claims",
        "Claims",
        "fact_check",
        "Results",
        "Which claims of the field hold on this model?",
        "the 600-employees prompt through both lenses",
    ),
    Page("tour", "Tour", "tour", "About", "What is there to see?"),
    Page("data", "Data", "dataset", "About", "What is an eval set made of?", "1,000 problems with their steps"),
    Page(
        "model",
        "Model",
        "memory",
        "About",
        "Which weights are these, where do they run, and how often are they right?",
        "the model without step supervision",
    ),
)


def page_of(name: str) -> Page:
    return next(page for page in PAGES if page.name == name)
