"""The texts of mails: Jinja2 templates, either the built-in ones or an operator's own.

A mail has a text template, whose first line is the subject, and an HTML template beside it:
`reset.txt` and `reset.html`, or for a language `reset.de.txt` and `reset.de.html`. If an operator's
folder has a text template without an HTML one, the mail is text only, so that the two parts never
differ in content.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from falcon_auth.delivery.mime import Rendered
from falcon_auth.delivery.topics import TOPIC_NAMES, find_topic

BUILT_IN = Path(__file__).parent / "templates"
LAYOUT = "layout"  # The template that the HTML templates extend.
MAX_SUBJECT = 200  # Characters.

SAMPLE = {
    "to": "ada@example.com",
    "ip": "192.0.2.7",
    "time": "2027-01-15 08:00 UTC",
    "username": "ada",
    "new_email": "lovelace@example.com",
    "factor": "My telephone",
}
GENERAL = ("service", "public_url", "to", "ip", "time", "link", "hours")


class TemplateFaultError(ValueError):
    """A template cannot be used. The message names the file and the fault."""


class Templates:
    """Renders mails. Safe to call from any thread."""

    def __init__(self, own: Path | None = None) -> None:
        """Look for templates in the folder *own* first."""
        self._folders = [folder for folder in (own, BUILT_IN) if folder is not None]
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folders),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            auto_reload=False,
        )

    def render(self, topic: str, facts: Mapping[str, str], language: str | None = None) -> Rendered:
        """Render a mail in *language*, or in the default language if there is no such template.

        *facts* are the values of all names: those of `GENERAL`, and the topic's own. Raises
        `TemplateFaultError`.
        """
        folder, stem = self._find(topic, language)
        text = self._fill(f"{stem}.txt", facts)
        subject, _, body = text.partition("\n")
        html = f"{stem}.html"
        return Rendered(
            subject=" ".join(subject.split())[:MAX_SUBJECT],
            text=body.strip("\n") + "\n",
            html=self._fill(html, facts) if (folder / html).is_file() else None,
        )

    def check(self, facts: Mapping[str, str]) -> None:
        """Render every template, with *facts* and sample values for the rest.

        Raises `TemplateFaultError` for the first that fails, and for a file of an unknown mail.
        """
        for folder in self._folders:
            for stem in _stems(folder):
                topic, _, language = stem.partition(".")
                rendered = self.render(topic, sample_facts(topic, facts), language or None)
                if not rendered.subject or not rendered.text.strip():
                    raise TemplateFaultError(f"{stem}.txt: a subject, a line break, then the text")

    def _find(self, topic: str, language: str | None) -> tuple[Path, str]:
        for stem in _candidates(topic, language):
            for folder in self._folders:
                if (folder / f"{stem}.txt").is_file():
                    return folder, stem
        raise TemplateFaultError(f"{topic}.txt: no mail has this name")

    def _fill(self, name: str, facts: Mapping[str, str]) -> str:
        try:
            template: Template = self._environment.get_template(name)
            return template.render(facts)
        except (TemplateError, OSError, UnicodeDecodeError, ArithmeticError, TypeError) as error:
            line = getattr(error, "lineno", None)
            place = name if line is None else f"{name}, line {line}"
            raise TemplateFaultError(f"{place}: {error}") from None


def sample_facts(topic: str, facts: Mapping[str, str]) -> dict[str, str]:
    """Return sample values for every name that a mail may use; *facts* take precedence."""
    sample = {**SAMPLE, **facts}
    wanted = find_topic(topic)
    own = wanted.facts if wanted else ()
    link = wanted.link if wanted else None
    sample["link"] = f"{sample['public_url']}{link.page}#token=sample" if link else ""
    sample["hours"] = str(link.lifetime_seconds // 3600) if link else ""
    return {name: sample[name] for name in (*GENERAL, *own)}


def _candidates(topic: str, language: str | None) -> Iterator[str]:
    """Return file names without extensions, from the most specific language to the default."""
    tags = language.split("-") if language else []
    for length in range(len(tags), 0, -1):
        yield f"{topic}.{'-'.join(tags[:length])}"
    yield topic


def _stems(folder: Path) -> list[str]:
    """Return the names of a folder's templates without their extensions, sorted."""
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in {".txt", ".html"})
    except OSError as error:
        raise TemplateFaultError(f"the folder cannot be read: {error.strerror}") from None
    for path in files:
        topic = path.stem.partition(".")[0]
        if topic == LAYOUT and path.suffix == ".html":
            continue
        if topic not in TOPIC_NAMES:
            raise TemplateFaultError(f"{path.name}: no mail has this name")
        if not path.with_suffix(".txt").is_file():
            raise TemplateFaultError(f"{path.name}: needs a {path.stem}.txt beside it")
    return [path.stem for path in files if path.suffix == ".txt"]
