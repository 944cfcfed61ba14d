"""The service's errors: status, code and message, as its documentation lists them."""

import xml.sax.saxutils

# https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes and .../common-rest-api-error-codes
KNOWN = {
    "AuthenticationFailed": (403, "Server failed to authenticate the request. Make sure the value of Authorization "
                                  "header is formed correctly including the signature."),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthorizationPermissionMismatch": (403, "This request is not authorized to perform this operation using this "
                                             "permission."),
    "AuthorizationProtocolMismatch": (403, "This request is not authorized to perform this operation using this "
                                           "protocol."),
    "AuthorizationResourceTypeMismatch": (403, "This request is not authorized to perform this operation using this "
                                               "resource type."),
    "AuthorizationServiceMismatch": (403, "This request is not authorized to perform this operation using this "
                                          "service."),
    "AuthorizationSourceIPMismatch": (403, "This request is not authorized to perform this operation using this "
                                           "source IP."),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "BlobArchived": (409, "This operation is not permitted on an archived blob."),
    "BlobBeingRehydrated": (409, "This operation is not permitted because the blob is being rehydrated."),
    "BlobImmutableDueToLegalHold": (409, "This operation is not permitted as the blob is immutable due to one or more "
                                         "legal holds."),
    "BlobImmutableDueToPolicy": (409, "This operation is not permitted as the blob is immutable due to a policy."),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "BlockCountExceedsLimit": (409, "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks."),
    "BlockListTooLong": (400, "The block list may not contain more than 50,000 blocks."),
    "CannotVerifyCopySource": (401, "Could not verify the copy source within the specified time."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "Crc64Mismatch": (400, "The CRC64 value specified in the request did not match with the CRC64 value calculated by "
                           "the server."),
    "InvalidAuthenticationInfo": (401, "Server failed to authenticate the request. Please refer to the information in "
                                       "the www-authenticate header."),
    "InvalidBlobOrBlock": (400, "The specified blob or block content is invalid."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidMd5": (400, "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and "
                        "Base64-encoded."),
    "InvalidMetadata": (400, "The specified metadata is invalid. It includes characters that are not permitted."),
    "InvalidQueryParameterValue": (400, "Value for one of the query parameters specified in the request URI is "
                                        "invalid."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMismatchWithBlobOperation": (412, "The lease ID specified did not match the lease ID for the blob."),
    "LeaseIdMismatchWithLeaseOperation": (409, "The lease ID specified did not match the lease ID for the blob."),
    "LeaseIdMissing": (412, "There is currently a lease on the blob and no lease ID was specified in the request."),
    "LeaseIsBreakingAndCannotBeAcquired": (409, "The lease ID matched, but the lease is currently in breaking state "
                                                "and cannot be acquired until it is broken."),
    "LeaseIsBrokenAndCannotBeRenewed": (409, "The lease ID matched, but the lease has been broken explicitly and "
                                             "cannot be renewed."),
    "LeaseLost": (412, "A lease ID was specified, but the lease for the blob has expired."),
    "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
    "LeaseNotPresentWithLeaseOperation": (409, "There is currently no lease on the blob."),
    "Md5Mismatch": (400, "The MD5 value specified in the request did not match with the MD5 value calculated by the "
                         "server."),
    "MissingContentLengthHeader": (411, "The content length header was not specified."),
    "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
    "MissingRequiredQueryParameter": (400, "A query parameter that's mandatory for this request is not specified."),
    "NoAuthenticationInformation": (401, "Server failed to authenticate the request. Please refer to the information "
                                         "in the www-authenticate header."),
    "NotImplemented": (501, "The emulator does not do this operation."),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "ServerBusy": (503, "The server is currently unable to receive requests. Please retry your request."),
    "SnapshotsPresent": (409, "This operation is not permitted because the blob has snapshots."),
    "UnauthorizedBlobOverwrite": (403, "This request is not authorized to perform blob overwrites."),
}


class ServiceError(Exception):
    """A refusal that the client is told, with the code and status of the service's documentation."""

    def __init__(self, code, detail=None, status=None, headers=None, **elements):
        super().__init__(code)
        known_status, message = KNOWN.get(code, (500, code))
        self.code = code
        self.status = status or known_status
        self.message = message if detail is None else f"{message} {detail}"
        self.headers = headers or {}
        self.elements = elements

    def body(self, request_id, time):
        """The XML document that the service sends with this error."""
        escape = xml.sax.saxutils.escape
        more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in self.elements.items())
        text = (f"{self.message}\nRequestId:{request_id}\nTime:{time}")
        return (f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code>'
                f"<Message>{escape(text)}</Message>{more}</Error>").encode()
