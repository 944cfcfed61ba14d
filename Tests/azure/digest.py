"""HTTP digest authentication as a server checks it: RFC 7616 with MD5 and qop=auth, which is what Atlas asks for."""

import hashlib
import re
import secrets

REALM = "MMS Public API"
FIELDS = {"username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce", "algorithm", "opaque"}
REQUIRED = FIELDS - {"algorithm", "opaque"}


def _md5(text):
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def parse(credentials):
    """The parameters of an Authorization header after `Digest`, None where they are not well-formed."""
    pattern = r'\s*([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)'
    fields, position = {}, 0
    while position < len(credentials):
        found = re.compile(pattern).match(credentials, position)
        if found is None or found[1] in fields:
            return None
        quoted = found[2] is not None
        # RFC 7616 §3.4: these three stand without quotation marks.
        if quoted == (found[1] in ("qop", "nc", "algorithm")):
            return None
        fields[found[1]] = re.sub(r"\\(.)", r"\1", found[2]) if quoted else found[3]
        position = found.end()
    return fields


class Digest:
    """The nonces that were given out and how often each was used."""

    def __init__(self, username, password):
        self.username = username
        self.password = password
        self.nonces = {}

    def challenge(self, is_stale=False):
        """The header that asks for a digest."""
        nonce = secrets.token_urlsafe(24)
        self.nonces[nonce] = 0
        stale = str(is_stale).lower()
        return {"WWW-Authenticate": f'Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, qop="auth", '
                                    f"stale={stale}"}

    def why_refused(self, method, target, credentials):
        """None where the credentials are right, otherwise what is wrong with them."""
        fields = parse(credentials)
        if fields is None or not REQUIRED <= set(fields) <= FIELDS:
            return f"malformed: {sorted(fields or [])}"
        if fields["username"] != self.username or fields["realm"] != REALM:
            return "wrong username or realm"
        if fields["nonce"] not in self.nonces:
            return "stale nonce"
        if fields["uri"] != target:
            return f"uri is {fields['uri']}, the request is for {target}"
        if fields["qop"] != "auth" or fields.get("algorithm", "MD5") != "MD5" or not fields["cnonce"]:
            return "wrong qop, algorithm or cnonce"
        if not re.fullmatch("[0-9a-f]{8}", fields["nc"]) or int(fields["nc"], 16) <= self.nonces[fields["nonce"]]:
            return "nc did not grow: a replay"
        if fields["response"] != self.response(method, fields):
            return "wrong response"
        self.nonces[fields["nonce"]] = int(fields["nc"], 16)
        return None

    def response(self, method, fields):
        """The response that fits the other fields: RFC 7616 §3.4.1."""
        secret = _md5(f"{self.username}:{REALM}:{self.password}")
        request = _md5(f"{method}:{fields['uri']}")
        return _md5(":".join([secret, fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"], request]))
