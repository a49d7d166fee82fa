"""Delivers through a gateway of one's own, with a second step for what the first cannot do: ``python custom_sender.py``"""

from typing import Dict

import libotp


class Gateway:
    """Stands for the client of a gateway: one that knows the difference between "not sent" and "perhaps sent"."""

    def __init__(self) -> None:
        self.received: Dict[str, str] = {}

    def send(self, message: libotp.Message) -> None:
        if message.channel == "messenger":
            # Certainly not sent: libotp goes on to the next step of the workflow.
            raise libotp.NotSent("nobody is linked to this Messenger id")
        if message.to.endswith("9"):
            # Who knows: the code stays good, and create raises SendError with in_doubt.
            raise TimeoutError("no answer from the gateway")
        print(f"gateway: a message by {message.channel}")
        self.received[message.token] = message.code


def main() -> None:
    gateway = Gateway()
    config = {"repository": "memory:", "workflow": [{"channel": "messenger"}, {"channel": "sms"}]}
    with libotp.Service(config, sender=gateway.send) as otp:
        otp.create("session 1", messenger_id="8192836451", phone_number="393331234567")
        code = gateway.received["session 1"]
        print("right:", otp.verify("session 1", code))
        print("again:", otp.check("session 1", code).message)
        try:
            otp.create("session 2", phone_number="393331234569")
        except libotp.SendError as error:
            print(f"in doubt: {error.in_doubt}, because of {error.__cause__}")
        print("state:", otp.status("session 2").state)


if __name__ == "__main__":
    main()
