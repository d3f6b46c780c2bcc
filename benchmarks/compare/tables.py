"""Markdown tables, and their positions in a document."""

BEGIN = "<!-- generated: {} -->"
END = "<!-- end of generated -->"


class DocumentError(Exception):
    pass


def replace_block(file, name, text):
    """Replaces the text between the markers with this name in the document by `text`."""
    with open(file, encoding="utf-8") as document:
        whole = document.read()
    begin = BEGIN.format(name)
    if whole.count(begin) != 1:
        raise DocumentError(f"{file}: needs the line {begin} once")
    head, rest = whole.split(begin)
    if END not in rest:
        raise DocumentError(f"{file}: {begin} has no {END}")
    tail = rest[rest.index(END) :]
    with open(file, "w", encoding="utf-8") as document:
        document.write(f"{head}{begin}\n\n{text.strip()}\n\n{tail}")


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def number(value):
    """Formats a number with few digits: later ones have no meaning here."""
    if value is None:
        return "–"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def emphasized(values, best):
    """Returns the values as cells, the best in bold."""
    known = [number(value) for value in values if value is not None]
    top = number(best(value for value in values if value is not None)) if known else None
    return [f"**{number(value)}**" if value is not None and number(value) == top else number(value) for value in values]
