"""Who may do what: every request is verified as the service verifies it, and refused with the service's codes."""

import ipaddress
import re
import time

import signatures
from clock import http_date, iso_date, parse_http_date, parse_iso_date
from errors import ServiceError

# How far a request's date may be off: authorize-with-shared-key, "Specifying the date header".
SKEW = 15 * 60
OLDEST_SAS = "2018-11-09"
ALL_PERMISSIONS = "racwdxyltmeopi"


class Grant:
    """What a request has been allowed, which an operation asks when it turns out to replace something."""

    def __init__(self, permissions):
        self.permissions = permissions

    def allows(self, letters):
        """Whether one of `letters` is granted."""
        return any(letter in self.permissions for letter in letters)

    def require(self, letters, otherwise="AuthorizationPermissionMismatch"):
        """Refuses the request, with the code `otherwise`, where none of `letters` is granted."""
        if not self.allows(letters):
            raise ServiceError(otherwise)


class Authorizer:
    """The account's key, the bearer tokens that are accepted, and the rules."""

    def __init__(self, account, key, clock):
        self.account = account
        self.key = key
        self.clock = clock
        # token -> (expiry in seconds since 1970, permissions)
        self.tokens = {}

    def accept_token(self, token, expires_at, permissions=ALL_PERMISSIONS):
        """Makes `token` valid until `expires_at`, by the service's clock, for those SAS letters."""
        self.tokens[token] = (expires_at, permissions)

    def authorize(self, request, place, operation, connection):
        """Verifies the signature and the permissions; returns the grant or raises what the client is told."""
        if place.account != self.account:
            raise ServiceError("InvalidUri", status=404)
        grant = self._authenticate(request, place, operation, connection)
        grant.require(operation.permissions + operation.creates)
        return grant

    def authorize_query(self, query, place, operation, connection):
        """The same for a shared access signature in a URL that a header holds."""
        self._shared_access(query, place, operation, connection).require(operation.permissions)

    def _authenticate(self, request, place, operation, connection):
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, credentials = header.partition(" ")
            if scheme == "SharedKey":
                return self._shared_key(request, credentials)
            if scheme == "Bearer":
                return self._bearer(request, credentials)
            raise ServiceError("InvalidAuthenticationInfo", status=400, AuthenticationErrorDetail=f"scheme {scheme}")
        if "sig" in request.query:
            return self._shared_access(request.query, place, operation, connection)
        raise ServiceError("NoAuthenticationInformation", headers=self._challenge())

    @staticmethod
    def _challenge():
        return {"WWW-Authenticate": "Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize"
                                    " resource_id=https://storage.azure.com"}

    def _shared_key(self, request, credentials):
        if "x-ms-version" not in request.headers:
            raise ServiceError("MissingRequiredHeader", HeaderName="x-ms-version")
        date = parse_http_date(request.headers.get("x-ms-date") or request.headers.get("date", ""))
        # By the machine's time: a client does not know that the service's clock has been moved.
        if date is None or abs(date - time.time()) > SKEW:
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail=(
                f"The date header in the request is incorrect; now it is {http_date(time.time())}."))
        account, _, signature = credentials.partition(":")
        headers = list(request.headers.items())
        text = signatures.shared_key_text(request.method, headers, self.account, request.raw_path, request.raw_query)
        if account != self.account or not signatures.matches(self.key, text, signature):
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail=(
                f"The MAC signature found in the HTTP request '{signature}' is not the same as any computed signature. "
                f"Server used following string to sign: '{text}'."))
        return Grant(ALL_PERMISSIONS)

    def _bearer(self, request, token):
        if request.headers.get("x-ms-version", "") < "2017-11-09":
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail="x-ms-version is below 2017-11-09.")
        expires_at, permissions = self.tokens.get(token, (None, ""))
        if expires_at is None or expires_at <= self.clock.now():
            why = "Issuer" if expires_at is None else "Lifetime"
            raise ServiceError("InvalidAuthenticationInfo", headers=self._challenge(),
                               AuthenticationErrorDetail=f"{why} validation failed.")
        return Grant(permissions)

    def _shared_access(self, query, place, operation, connection):
        if query.get("sv", "") < OLDEST_SAS or not re.fullmatch(r"\d{4}-\d\d-\d\d", query["sv"]):
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail="sv is missing or not supported.")
        if "srt" in query:
            text = signatures.account_sas_text(self.account, query)
        else:
            text = self._service_text(query, place)
        if not signatures.matches(self.key, text, query["sig"]):
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail=(
                f"Signature did not match. String to sign used was {text}"))
        self._check_time(query)
        self._check_origin(query, connection.is_secure, connection.client_address[0])
        self._check_resource(query, operation)
        return Grant(query.get("sp", ""))

    def _service_text(self, query, place):
        resource = query.get("sr")
        if resource not in ("b", "c") or place.container is None or (resource == "b" and place.blob is None):
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail="sr does not fit the resource.")
        return signatures.service_sas_text(
            self.account, place.container, place.blob if resource == "b" else None, query)

    def _check_time(self, query):
        now = self.clock.now()
        expiry, start = parse_iso_date(query.get("se", "")), query.get("st")
        begin = 0 if start is None else parse_iso_date(start)
        if expiry is None or begin is None or not begin <= now < expiry:
            raise ServiceError("AuthenticationFailed", AuthenticationErrorDetail=(
                f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{query.get('se')}] - "
                f"Current [{iso_date(now)}]"))

    @staticmethod
    def _check_origin(query, is_secure, peer):
        if query.get("spr", "https,http") == "https" and not is_secure:
            raise ServiceError("AuthorizationProtocolMismatch")
        if "sip" in query:
            first, _, last = query["sip"].partition("-")
            low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
            address = ipaddress.ip_address(peer.removeprefix("::ffff:"))
            if address.version != low.version or not low <= address <= high:
                raise ServiceError("AuthorizationSourceIPMismatch")

    @staticmethod
    def _check_resource(query, operation):
        if "srt" in query:
            if "b" not in query.get("ss", ""):
                raise ServiceError("AuthorizationServiceMismatch")
            if not any(level in query["srt"] for level in operation.level):
                raise ServiceError("AuthorizationResourceTypeMismatch")
        elif operation.level != "o" and operation.name != "ListBlobs":
            # A service SAS does not reach operations on the container itself.
            raise ServiceError("AuthorizationFailure")
        elif operation.name == "ListBlobs" and query.get("sr") != "c":
            raise ServiceError("AuthorizationFailure")
