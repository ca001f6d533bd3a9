"""Writes trials.csv as Excel would save it, because Excel was not available: python3 excel.py

Excel saves what its cells show (learn.microsoft.com, "Save a workbook in another file
format"). The format General shows at most 11 characters of a number, an exponent below
0.0001, and no trailing zeros. Lines end with CR LF. A German Excel separates cells by
semicolons and uses decimal commas. "CSV UTF-8" begins with a byte order mark.
"""
import csv


def general(cell, mark):
    """Returns a cell as Excel's format General shows it, with a decimal mark."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    if value != 0 and abs(value) < 1e-4:
        digits, exponent = f"{value:.5E}".split("E")
        text = f"{digits.rstrip('0').rstrip('.')}E{exponent}"
    else:
        whole = len(str(int(abs(value))))
        text = f"{value:.{max(0, 10 - whole)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", mark)


def write(path, delimiter, mark, encoding, true, tail):
    """Writes a copy of trials.csv; true replaces the text of true, and tail empty rows follow."""
    with open("trials.csv", newline="") as source, open(path, "w", newline="", encoding=encoding) as target:
        rows = list(csv.reader(source))
        out = csv.writer(target, delimiter=delimiter, lineterminator="\r\n")
        out.writerow(rows[0])
        for row in rows[1:]:
            cells = [general(cell, mark) for cell in row]
            out.writerow([{"true": true, "false": true and "FALSE"}.get(c, c) if true else c for c in cells])
        for _ in range(tail):  # rows that a user cleared but did not delete
            out.writerow([""] * len(rows[0]))


write("excel.csv", ",", ".", "ascii", "TRUE", 0)
write("excel-german.csv", ";", ",", "utf-8-sig", "", 3)
