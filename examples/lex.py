"""Chat with a bot of Amazon Lex, through the method of boto3 that boto3 itself lacks: texts in, answers out.

    python examples/lex.py                                              with a fake bot
    python examples/lex.py --region us-east-1 --bot BOT --alias ALIAS   with yours

It needs eventstream-codec[client]; the fake bot needs no AWS account.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import botocore.session

from eventstream.adapters import boto3 as bidirectional


def now() -> int:
    """Return the time as Lex wants it: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def chat(client: Any, bot: str, alias: str, texts: Iterator[str]) -> None:
    """Send each text, and show what the bot answers to it."""
    with client.start_conversation(
        botId=bot, botAliasId=alias, localeId="en_US", sessionId=str(uuid.uuid4()), conversationMode="TEXT"
    ) as stream:
        configuration = {"responseContentType": "text/plain; charset=utf-8", "clientTimestampMillis": now()}
        stream.send({"ConfigurationEvent": configuration})
        for text in texts:
            stream.send({"TextInputEvent": {"text": text, "clientTimestampMillis": now()}})
            for event in stream:
                if "IntentResultEvent" in event:
                    interpretations = event["IntentResultEvent"].get("interpretations", [])
                    print("intent:", *(each["intent"]["name"] for each in interpretations[:1]))
                elif "TextResponseEvent" in event:
                    for message in event["TextResponseEvent"].get("messages", []):
                        print("bot:", message["content"], flush=True)
                    break  # it is our turn
        stream.send({"DisconnectionEvent": {"clientTimestampMillis": now()}})
        stream.end()
        for _ in stream:  # until the service has ended it, too
            pass


async def concierge(request: dict[str, Any], events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Answer as the fake bot."""
    async for event in events:
        if "TextInputEvent" not in event:
            continue
        text = event["TextInputEvent"]["text"]
        intent = "BookHotel" if "room" in text.lower() else "FallbackIntent"
        yield {
            "IntentResultEvent": {
                "inputMode": "Text",
                "sessionId": request["sessionId"],
                "interpretations": [{"intent": {"name": intent, "state": "InProgress"}}],
            }
        }
        answer = "In which city?" if intent == "BookHotel" else "I can only book rooms."
        yield {"TextResponseEvent": {"messages": [{"content": answer, "contentType": "PlainText"}]}}


def main() -> None:
    """Chat with what is typed, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--region", help="ask Lex in this region; otherwise the fake bot")
    parser.add_argument("--bot", default="FAKEBOT123")
    parser.add_argument("--alias", default="TSTALIASID")
    options = parser.parse_args()
    bidirectional.install()
    with ExitStack() as stack:
        if options.region:
            address = {"region_name": options.region}
        else:
            address = stack.enter_context(bidirectional.serve("lexv2-runtime", {"start_conversation": concierge}))
        client = botocore.session.get_session().create_client("lexv2-runtime", **address)  # or boto3.client
        chat(client, options.bot, options.alias, (line.strip() for line in sys.stdin if line.strip()))


if __name__ == "__main__":
    main()
