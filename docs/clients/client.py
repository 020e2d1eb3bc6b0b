"""pip install nats-py; python client.py"""

import asyncio
import json
import os

import nats

SUBJECT = "cascade.fashion"


def request(grey, **fields):
    return {**fields, "inputs": {"image": [grey] * (28 * 28)}}


def describe(answer):
    """A failure is an answer as well, with an error in place of the label."""
    if "error" in answer:
        raise RuntimeError(f"{answer['error']['code']}: {answer['error']['message']}")
    return f"label {answer['label']} by {answer['model']}"


async def answers(subscription, count):
    """An answer is a message; failures of one frame may come as a list."""
    found = []
    while len(found) < count:
        body = json.loads((await subscription.next_msg(timeout=60)).data)
        found += body if isinstance(body, list) else [body]
    return found


async def main():
    connection = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))

    # One request, one answer; JSON is answered in JSON.
    message = await connection.request(f"{SUBJECT}.infer", json.dumps(request(0)).encode(), timeout=60)
    print("request:", describe(json.loads(message.data)))

    # The bytes of the image as they are. Such a body is answered in MessagePack unless Accept says otherwise.
    headers = {"Content-Type": "application/octet-stream", "Accept": "application/json", "Cascade-Deadline-Ms": "30000"}
    message = await connection.request(f"{SUBJECT}.infer", bytes(28 * 28), timeout=60, headers=headers)
    print("opaque:", describe(json.loads(message.data)))

    # A frame: several requests in one message. Each has an answer of its own.
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox)
    frame = [request(grey, id=f"grey-{grey}") for grey in (0, 128, 255)]
    await connection.publish(f"{SUBJECT}.infer", json.dumps(frame).encode(), reply=inbox)
    for answer in sorted(await answers(subscription, len(frame)), key=lambda answer: answer["id"]):
        print("frame:", answer["id"], describe(answer))

    # Without a reply subject the answer goes to the results subject, here one with a name.
    results = await connection.subscribe(f"{SUBJECT}.results.python")
    await connection.publish(f"{SUBJECT}.infer", json.dumps(request(0, id="python-1")).encode(), headers={"Cascade-Results": "python"})
    for answer in await answers(results, 1):
        print("results:", answer["id"], describe(answer))

    # Stored first, answered later, whatever crashes meanwhile. The same Nats-Msg-Id within two minutes is stored once.
    headers = {"Cascade-Results": "python", "Nats-Msg-Id": os.urandom(16).hex()}
    body = json.dumps(request(255, id="python-2")).encode()
    stored = await connection.jetstream().publish(f"{SUBJECT}.durable", body, timeout=30, headers=headers)
    for answer in await answers(results, 1):
        print("durable:", f"{answer['id']}, which {stored.stream} has stored,", describe(answer))

    await connection.close()


asyncio.run(main())
