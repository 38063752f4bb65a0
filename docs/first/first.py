from kafkatrigger import Message


def double(message: Message) -> dict[str, int]:
    return {"n": message.value["n"] * 2}
