"""A choice of weights as text and as final.json."""

from __future__ import annotations

from ppocr_ft.commands.fit_postprocess.choice import JudgedWeights, WeightsChoice
from ppocr_ft.commands.fit_postprocess.console import OBJECTIVES
from ppocr_ft.commands.fit_postprocess.search import LEAST_IMAGES, Gain
from ppocr_ft.fitting.tally import score
from ppocr_ft.messages import counted
from ppocr_ft.utils.tables import aligned

HEADER = ("", "hmean", "hmean_70", "held out: hmean", "hmean_70", "over the start")


def choice_text(choice: WeightsChoice, images: int) -> str:
    """Return the table of what was tried on the images, what was chosen, and how sure that is."""
    rows = [
        _row(each, gain, is_chosen=each is choice.chosen)
        for each, gain in zip(choice.judged, choice.gains, strict=True)
    ]
    passes = f"{counted(len(rows), 'pass', 'passes')} over {counted(images, 'image')}"
    return "\n".join(
        [
            f"weights, each with its own post-processing, in {passes}:",
            *aligned([HEADER, *rows]),
            *_elsewhere(choice),
            *_verdict(choice),
        ]
    )


def _row(each: JudgedWeights, gain: Gain, *, is_chosen: bool) -> list[str]:
    rates, held_out = each.fitted.tally.rates(each.fitted.chosen), held_out_rates(each)
    return [
        f"{'* ' if is_chosen else '  '}{each.weights.name}",
        *(f"{rates[rate]:.4f}" for rate in ("hmean", "hmean_70")),
        *(f"{rate:.4f}" for rate in held_out.values()),
        f"{gain.gain:+.4f} +- {gain.gain_error:.4f}",
    ]


def _elsewhere(choice: WeightsChoice) -> list[str]:
    """Say what becomes of hmean on the sets of Eval.also where that was measured."""
    start, *others = choice.judged
    return [
        f"on {name}: hmean {each.also[name]:.4f} with {each.weights.name}, {before:.4f} with the "
        f"start{', more than Global.keep_general below it: left out' * each.is_out}"
        for each in others
        if each.also
        for name, before in start.also.items()
    ]


def held_out_rates(each: JudgedWeights) -> dict[str, float]:
    """Return both hmeans of images that the post-processing was not chosen on."""
    counts, texts = each.fitted.judged.sum(axis=0), each.fitted.tally.gts.sum()
    return {rate: float(score(counts, texts, rate)) for rate in ("hmean", "hmean_70")}


def _verdict(choice: WeightsChoice) -> list[str]:
    gain, sentence = choice.gain, choice.chosen.weights.sentence
    if choice.at == 0:
        return [sentence]
    doubt = ""
    if choice.images < LEAST_IMAGES:
        doubt = f"; {counted(choice.images, 'image')} can't show that this is more than chance"
    elif gain.gain_low <= 0:
        doubt = ", which may be chance"
    return [
        sentence,
        f"{OBJECTIVES[choice.chosen.fitted.objective]} of images that weights and values were not "
        f"chosen on: {gain.gain:+.4f} +- {gain.gain_error:.4f} over the start "
        f"(lower bound {gain.gain_low:+.4f}){doubt}",
    ]


def choice_record(choice: WeightsChoice) -> dict[str, object]:
    """Return final.json: what was chosen, how it was judged, and from what it was chosen."""
    candidates = [
        {
            **_named(each),
            "distance": each.distance,
            **vars(each.fitted.tally.setting(each.fitted.chosen)),
            **each.fitted.tally.rates(each.fitted.chosen),
            "held_out": {**held_out_rates(each), **vars(gain)},
            "also": dict(each.also),
            "left_out": each.is_out,
        }
        for each, gain in zip(choice.judged, choice.gains, strict=True)
    ]
    return {
        **_named(choice.chosen),
        "objective": choice.chosen.fitted.objective,
        "images": choice.images,
        **vars(choice.gain),
        "candidates": candidates,
    }


def _named(each: JudgedWeights) -> dict[str, object]:
    return {"name": each.weights.name, **vars(each.weights)}
