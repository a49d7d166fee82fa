"""Creates a code, and verifies what is typed: ``python create_verify.py TOKEN PHONE_NUMBER``

The code goes to standard error, for development: another ``sender`` in the configuration delivers it.
"""

import sys

import libotp


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: create_verify.py TOKEN PHONE_NUMBER")
    token, phone_number = sys.argv[1:]
    with libotp.Service({"repository": "sqlite:otp.db"}) as otp:
        try:
            created = otp.create(token, phone_number=phone_number)
        except libotp.Refused as refused:
            sys.exit(f"{refused}; again in {refused.retry_after_seconds} s")
        print(f"The code is good for {created.expires_in_seconds} seconds.")
        while True:
            typed = input("Code: ").strip()
            if not typed:
                continue
            check = otp.check(token, typed)
            if check:
                print("Welcome")
                return
            print(f"{check.message} ({check.attempts_left} attempts left)")
            if check.result is not libotp.Result.NOT_VALID:
                sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except libotp.Error as error:
        sys.exit(f"create_verify: {error}")
