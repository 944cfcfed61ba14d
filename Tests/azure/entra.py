"""A fake of Microsoft Entra's token endpoint, where a secret or a federated token is exchanged for a storage token.

learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import secrets

from fake import Fake, Refusal, form_of, json_response
from wire import BadRequest

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "https://storage.azure.com/.default"


class TokenEndpoint(Fake):
    """Issues tokens that the storage emulator accepts."""

    # assertions: the federated tokens that are accepted, None for any; which were sent is in the log.
    defaults = {
        "tenant": "11111111-1111-1111-1111-111111111111", "client_id": "22222222-2222-2222-2222-222222222222",
        "client_secret": "fake~secret/with+signs=&%", "assertions": None, "expires_in": 3599,
        "permissions": "racwdxltmi",
    }

    def __init__(self, clock, accept_token):
        super().__init__(clock)
        self.accept_token = accept_token

    def answer(self, request):
        """A token, or the error that the real endpoint gives."""
        tenant, _, rest = request.path.removeprefix("/").partition("/")
        if request.method != "POST" or rest != "oauth2/v2.0/token":
            raise Refusal(404, _error("not_found", 404, request.path))
        if tenant != self.settings["tenant"]:
            raise Refusal(400, _error("invalid_request", 90002, f"Tenant '{tenant}' not found."))
        try:
            self._check(form_of(request))
        except (BadRequest, ValueError) as error:
            raise Refusal(400, _error("invalid_request", 900144, str(error))) from None
        token, lifetime = secrets.token_urlsafe(48), self.settings["expires_in"]
        self.accept_token(token, self.clock.now() + lifetime, self.settings["permissions"])
        return json_response(200, {
            "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token})

    def _check(self, form):
        if form.get("grant_type") != "client_credentials":
            raise Refusal(400, _error("unsupported_grant_type", 70003, "The app requested an unsupported grant type."))
        if form.get("client_id") != self.settings["client_id"]:
            raise Refusal(400, _error("unauthorized_client", 700016, "Application was not found in the directory."))
        if form.get("scope") != SCOPE:
            raise Refusal(400, _error("invalid_scope", 70011, "The provided value for 'scope' is not valid."))
        common = {"grant_type", "client_id", "scope"}
        if set(form) == common | {"client_secret"}:
            if form["client_secret"] != self.settings["client_secret"]:
                raise Refusal(401, _error("invalid_client", 7000215, "Invalid client secret provided."))
        elif set(form) == common | {"client_assertion", "client_assertion_type"}:
            self._check_assertion(form)
        else:
            raise Refusal(401, _error("invalid_client", 7000218, f"The fields are {sorted(form)}."))

    def _check_assertion(self, form):
        if form["client_assertion_type"] != JWT_BEARER:
            raise Refusal(400, _error("invalid_request", 900023, "client_assertion_type is not jwt-bearer."))
        accepted = self.settings["assertions"]
        if not form["client_assertion"] or (accepted is not None and form["client_assertion"] not in accepted):
            raise Refusal(401, _error("invalid_client", 700024, "Client assertion is not within its valid time range."))


def _error(code, number, text):
    return {"error": code, "error_description": f"AADSTS{number}: {text}", "error_codes": [number]}
