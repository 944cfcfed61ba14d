"""A fake of the instance metadata service, where a virtual machine gets the tokens of its managed identity.

learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

import secrets

from fake import Fake, Refusal, json_response

RESOURCES = ("https://storage.azure.com/", "https://storage.azure.com")
API_VERSION = "2018-02-01"


class InstanceMetadata(Fake):
    """Issues tokens that the storage emulator accepts."""

    # client_id: the one user-assigned identity, None where the machine has a system-assigned one.
    defaults = {"client_id": None, "expires_in": 86400, "permissions": "racwdxltmi"}

    def __init__(self, clock, accept_token):
        super().__init__(clock)
        self.accept_token = accept_token

    def answer(self, request):
        """A token, or what the service says of a request that is not quite one."""
        if request.method != "GET" or request.path != "/metadata/identity/oauth2/token":
            raise Refusal(404, {"error": "not_found", "error_description": request.path})
        if request.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in request.headers:
            raise Refusal(400, _error("bad_request_102", "Required metadata header not specified"))
        self._check_query(request.query)
        settings = self.settings
        token = secrets.token_urlsafe(48)
        expires_at = self.clock.now() + settings["expires_in"]
        self.accept_token(token, expires_at, settings["permissions"])
        # All numbers are strings here, unlike in the answers of the token endpoint.
        return json_response(200, {
            "access_token": token, "client_id": settings["client_id"] or "00000000-0000-0000-0000-000000000001",
            "expires_in": str(settings["expires_in"]), "expires_on": str(int(expires_at)),
            "ext_expires_in": str(settings["expires_in"]), "not_before": str(int(self.clock.now())),
            "resource": request.query["resource"], "token_type": "Bearer",
        })

    def _check_query(self, query):
        unknown = set(query) - {"api-version", "resource", "client_id", "object_id", "msi_res_id", "mi_res_id"}
        if query.get("api-version") != API_VERSION or unknown:
            raise Refusal(400, _error("bad_request_100", f"api-version must be {API_VERSION}; unknown: {unknown}"))
        if query.get("resource") not in RESOURCES:
            raise Refusal(400, _error("invalid_resource", "AADSTS500011: The resource principal was not found"))
        if query.get("client_id") != self.settings["client_id"]:
            raise Refusal(400, _error("invalid_request", "Identity not found"))


def _error(code, text):
    return {"error": code, "error_description": text}
