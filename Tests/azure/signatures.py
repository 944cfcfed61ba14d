"""What is signed and how: Shared Key, account and service shared access signatures. Pure functions of their input.

Sources: learn.microsoft.com/rest/api/storageservices/ authorize-with-shared-key, create-account-sas,
create-service-sas.
"""

import base64
import hashlib
import hmac
import re
import urllib.parse

# The header fields of the string to sign, in its order, between the verb and the canonicalised ones.
STANDARD_FIELDS = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)
# The order of the parameters in a service SAS's string to sign, apart from the resource that follows `se`.
SERVICE_FIELDS_BEFORE = ("sp", "st", "se")
SERVICE_FIELDS_AFTER = ("si", "sip", "spr", "sv", "sr")
RESPONSE_FIELDS = ("rscc", "rscd", "rsce", "rscl", "rsct")
# The encryption scope is signed from this version on, whether it is there or not.
ENCRYPTION_SCOPE_SINCE = "2020-12-06"


def sign(key, text):
    """HMAC-SHA256 of the text's UTF-8 with the account's key (base64), in base64."""
    digest = hmac.new(base64.b64decode(key), text.encode("utf-8"), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def matches(key, text, signature):
    """Whether `signature` is that of `text`."""
    return hmac.compare_digest(sign(key, text).encode(), signature.encode())


def canonicalized_headers(headers):
    """All x-ms- fields, by name, with linear white space folded; each line ends with a newline."""
    lines = []
    for name, value in sorted((name.lower(), value) for name, value in headers):
        if name.startswith("x-ms-"):
            folded = re.sub(r"[ \t]*[\r\n]+[ \t]*", " ", value).strip()
            lines.append(f"{name}:{folded}\n")
    return "".join(lines)


def canonicalized_resource(account, raw_path, raw_query):
    """The account, the path as it was sent, and each query parameter decoded, values of one name sorted and joined."""
    parameters = {}
    for part in raw_query.split("&") if raw_query else ():
        name, _, value = part.partition("=")
        # A plus sign stands for itself: only percent escapes are decoded.
        name, value = urllib.parse.unquote(name).lower(), urllib.parse.unquote(value)
        parameters.setdefault(name, []).append(value)
    lines = [f"\n{name}:{','.join(sorted(values))}" for name, values in sorted(parameters.items())]
    return f"/{account}{raw_path}" + "".join(lines)


def shared_key_text(method, headers, account, raw_path, raw_query):
    """The string to sign of Shared Key authorisation, version 2015-02-21 and later.

    `headers` are pairs; a Content-Length of zero is an empty line, and so is Date where x-ms-date is sent.
    """
    fields = {name.lower(): value.strip() for name, value in headers}
    if fields.get("content-length") == "0":
        fields["content-length"] = ""
    if "x-ms-date" in fields:
        fields["date"] = ""
    lines = [method] + [fields.get(name, "") for name in STANDARD_FIELDS]
    return ("\n".join(lines) + "\n" + canonicalized_headers(headers)
            + canonicalized_resource(account, raw_path, raw_query))


def account_sas_text(account, query):
    """The string to sign of an account SAS; `query` holds its parameters, decoded."""
    names = ["sp", "ss", "srt", "st", "se", "sip", "spr", "sv"]
    if query.get("sv", "") >= ENCRYPTION_SCOPE_SINCE:
        names.append("ses")
    return "\n".join([account] + [query.get(name, "") for name in names]) + "\n"


def service_sas_text(account, container, blob, query):
    """The string to sign of a container's or blob's SAS, version 2018-11-09 and later; `blob` is None for a container.
    """
    resource = f"/blob/{account}/{container}" + ("" if blob is None else f"/{blob}")
    lines = [query.get(name, "") for name in SERVICE_FIELDS_BEFORE] + [resource]
    lines += [query.get(name, "") for name in SERVICE_FIELDS_AFTER] + [query.get("snapshot", "")]
    if query.get("sv", "") >= ENCRYPTION_SCOPE_SINCE:
        lines.append(query.get("ses", ""))
    return "\n".join(lines + [query.get(name, "") for name in RESPONSE_FIELDS])
