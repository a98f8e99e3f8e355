"""Consent to exactly one plan, given by typing how many rows it deletes and how many of them it breaks."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from typing import TYPE_CHECKING

from versori_magics.catch import catch
from versori_magics.errors import ConsentError
from versori_magics.text import one_line

if TYPE_CHECKING:
    from versori_magics.cleanup.plan import Plan


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent to one plan; not valid for any other.

    Parameters
    ----------
    plan : str
        The id of the plan.
    digest : str
        Its digest.
    in_advance : bool
        Whether it was given before the plan was shown, as an option of an unattended run.
    """

    plan: str
    digest: str
    in_advance: bool

    def check(self, plan: Plan) -> None:
        """Raise a `ConsentError` if this is the consent to another plan."""
        if (self.plan, self.digest) != (plan.id, plan.digest):
            raise ConsentError(
                "The consent is for another plan, so nothing was sent.", hint="Review this plan and agree to it."
            )


def required_words(plan: Plan) -> str:
    """Return the words of consent: ``delete N``, and ``break R`` if R of the N rows are in use.

    One row that nobody uses needs only ``y``.
    """
    deleted, broken = len(plan.to_delete), len(plan.to_break)
    if broken:
        return f"delete {deleted} break {broken}"
    return "y" if deleted == 1 else f"delete {deleted}"


def typed_consent(plan: Plan, typed: str) -> Consent | None:
    """Return the consent that was typed, or None if the words do not agree to this plan.

    Pressing Enter alone is not consent, and a plan that deletes nothing cannot be agreed to. Case and extra blanks do
    not matter.
    """
    is_consent = bool(plan.to_delete) and " ".join(typed.split()).lower() == required_words(plan)
    return Consent(plan.id, plan.digest, in_advance=False) if is_consent else None


def describe_agreement(consent: Consent | None) -> str:
    """Return who agreed and how, such as ``typed by anna``, for the record; empty if nobody had to agree."""
    if consent is None:
        return ""
    user = catch(getpass.getuser, OSError, KeyError, ImportError)  # a container may have no name for its user
    name = "an unknown user" if isinstance(user, Exception) else one_line(user, 60)
    return f"{'in advance' if consent.in_advance else 'typed'} by {name}"


def consent_in_advance(plan: Plan) -> Consent:
    """Return consent given in advance (``yes=True``)."""
    return Consent(plan.id, plan.digest, in_advance=True)
