"""A login with a code, in Flask: ``flask --app login run``, then http://127.0.0.1:5000/

The visitor's session is the token, so nobody can ask for the code of another's, and the account is the subject, whose
wrong codes count together however often a new code is asked for. The code goes to standard error, for development.
"""

import os
import secrets
from typing import Union

import libotp
from flask import Flask, abort, redirect, request, session
from werkzeug.wrappers import Response

#: Stands for the accounts of the application, which know their number themselves.
ACCOUNTS = {"ada": "393331234567", "bob": "393331234568"}

PAGE = """<!doctype html><title>Login</title><p>{text}</p>
<form method="post" action="{action}"><input name="{name}" autocomplete="{complete}" autofocus><button>Go on</button></form>"""

app = Flask(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_bytes(32)
app.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
otp = libotp.Service({"repository": os.environ.get("OTP_REPOSITORY", "sqlite:otp.db")})


def page(action: str, name: str, complete: str, text: str) -> str:
    return PAGE.format(action=action, name=name, complete=complete, text=text)


@app.get("/")
def home() -> str:
    if "account" in session:
        return "Welcome"
    return page("/login", "account", "username", "Who are you?")


@app.post("/login")
def login() -> str:
    account = request.form.get("account", "")
    session.clear()
    session["login"], session["claims"] = secrets.token_urlsafe(32), account
    if account in ACCOUNTS:
        try:
            otp.create(session["login"], phone_number=ACCOUNTS[account], subject=account, client=request.remote_addr)
        except libotp.Refused as refused:
            app.logger.warning("no code for an account: %s", refused)
        except libotp.SendError as error:
            app.logger.error("no message for an account: %s", error)
    # The same page in every case, so that nobody learns which accounts there are.
    return page("/code", "code", "one-time-code", "If the account exists, a code is on its way.")


@app.post("/code")
def code() -> Union[str, Response]:
    if "login" not in session:
        abort(400)
    try:
        check = otp.check(session["login"], request.form.get("code", ""))
    except libotp.ArgumentError:
        return page("/code", "code", "one-time-code", "Please type the code.")
    if not check:
        # One sentence for every reason: which it is would tell that the account exists.
        return page("/code", "code", "one-time-code", "The code is not right, or no longer good.")
    account = session["claims"]
    session.clear()
    session["account"] = account
    return redirect("/")
