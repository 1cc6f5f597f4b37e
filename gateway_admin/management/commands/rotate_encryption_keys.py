"""Seals everything that is stored with a new key for encryption at rest."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from certificates import rotating
from certificates.policy.rotation import listed
from gateway_admin.management.operating import OperatorCommand

KEEP = (
    "A backup from before this opens with the old keys alone: keep the key file that belongs to it."
)
HOW_TO_ADD = (
    "The keys are given by the environment, so none was added. To rotate them, stop Gateway Admin "
    "on every machine, put a new key (head -c 32 /dev/urandom | base64 | tr '+/' '-_') in front of "
    "the others, start, and run this command again."
)


class Command(OperatorCommand):
    """`rotate_encryption_keys [--forget-old]`."""

    help = "Make a new encryption key and seal every stored private key with it."

    def add_arguments(self, parser: CommandParser) -> None:
        """The second step is an option, since it has to wait for a day."""
        super().add_arguments(parser)
        parser.add_argument(
            "--forget-old",
            action="store_true",
            help="a day later: make no key, and forget all but the newest",
        )

    def carry_out(self, options: dict[str, Any]) -> None:
        """While everything runs, and again whenever it was interrupted."""
        step = rotating.forget_old if options["forget_old"] else rotating.rotate
        done = step(timezone.now())
        self.answer(
            options,
            dataclasses.asdict(done),
            _forgotten(done) if options["forget_old"] else _rotated(done),
        )
        if done.unopened:
            raise CommandError(
                f"{len(done.unopened)} stored keys could not be opened and stay as they are: "
                f"{listed(done.unopened)}. Everything else is sealed with the newest key."
            )


def _rotated(done: rotating.Rotated) -> str:
    what = "new" if done.is_new else "newest"
    sentences = [f"{done.resealed} stored keys were sealed with the {what} key {done.key}."]
    if done.is_given:
        sentences.append(HOW_TO_ADD)
    elif done.kept:
        sentences.append(
            f"Old keys stay in the file: {', '.join(done.kept)}. In a day, forget them with "
            "--forget-old."
        )
    return "\n".join([*sentences, KEEP] if done.resealed else sentences)


def _forgotten(done: rotating.Rotated) -> str:
    if not done.forgotten:
        return f"There is no old key; {done.key} is the only one."
    old = ", ".join(done.forgotten)
    if done.is_given:
        return (
            f"Nothing that is stored needs {old}. If {done.key} has been in front for a day, the "
            f"others can be taken out of the environment.\n{KEEP}"
        )
    return f"Forgotten: {old}. {done.key} is the only key now.\n{KEEP}"
