def show_number(number: float) -> str:
    """Without a decimal part when there is none."""
    return str(int(number)) if number == int(number) else f"{round(number, 6):g}"
