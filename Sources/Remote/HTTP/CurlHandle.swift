import Bytes
import CCurl
import Glibc

/// One easy handle of libcurl, with the connections that it keeps.
///
/// `@unchecked Sendable`: the pool in `HTTPClient` hands it to one call at a time.
@safe
final class CurlHandle: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer

    /// libcurl's process-wide state; the runtime's once-semantics make this safe from any thread.
    private static let ready: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    init() throws {
        guard CurlHandle.ready == CURLE_OK, let handle = unsafe curl_easy_init() else {
            throw CairnError(.io, "libcurl cannot be initialised; is memory exhausted?")
        }
        unsafe self.handle = handle
    }

    deinit { unsafe curl_easy_cleanup(handle) }

    /// Does one request; what it set stays behind for none after it.
    func perform(
        _ request: HTTPRequest, options: HTTPOptions, body: RawSpan?, into buffer: Buffer, bodyMax: Int
    ) throws -> HTTPResponse {
        unsafe curl_easy_reset(handle)
        let transfer = Transfer(buffer: buffer, bodyMax: bodyMax)
        let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        defer { unsafe message.deallocate() }
        unsafe cairn_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, message)

        setTransport(options, request)
        setReceivers(transfer)
        countSends(transfer)
        let list = unsafe try headerList(request.headers)
        defer { unsafe curl_slist_free_all(list) }
        unsafe cairn_curl_set_pointer(handle, CURLOPT_HTTPHEADER, list)

        let code = try withExtendedLifetime(transfer) { try run(request, body: body) }
        guard code == CURLE_OK, transfer.failure == nil else {
            buffer.truncate(to: transfer.start)
            throw unsafe transfer.failure ?? TransferError.of(code, String(cString: message), request)
        }
        var status = 0
        unsafe cairn_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        return HTTPResponse(status: status, headers: transfer.headers, sends: transfer.sends)
    }

    /// The body is lent to libcurl for the length of the call: it sends from there, again too if a connection kept
    /// alive turns out to be dead.
    private func run(_ request: HTTPRequest, body: RawSpan?) throws -> CURLcode {
        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        if request.method == .head { set(CURLOPT_NOBODY, 1) }
        // On a connection that turns out to be dead libcurl sends again by itself.
        if !request.isRepeatable { set(CURLOPT_FRESH_CONNECT, 1) }
        if let credentials = request.digestCredentials {
            set(CURLOPT_HTTPAUTH, cairn_curl_auth_digest)
            try set(CURLOPT_USERNAME, credentials.name)
            try set(CURLOPT_PASSWORD, credentials.password.text)
        }
        guard let body else { return unsafe curl_easy_perform(handle) }
        return unsafe body.withUnsafeBytes { bytes in
            // A null pointer would make libcurl ask a callback for the body.
            unsafe cairn_curl_set_pointer(handle, CURLOPT_POSTFIELDS, bytes.baseAddress ?? UnsafeRawPointer(handle))
            unsafe cairn_curl_set_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count))
            return unsafe curl_easy_perform(handle)
        }
    }

    private func setTransport(_ options: HTTPOptions, _ request: HTTPRequest) {
        // Signals would interrupt other threads' calls; libcurl's resolver needs none.
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_CONNECTTIMEOUT, options.connectTimeout)
        set(CURLOPT_LOW_SPEED_LIMIT, 1024)
        set(CURLOPT_LOW_SPEED_TIME, options.stallTimeout)
        // The defaults of 64 and 16 KiB cost a system call each; packs are 16 MiB.
        set(CURLOPT_UPLOAD_BUFFERSIZE, 1 << 20)
        set(CURLOPT_BUFFERSIZE, 512 << 10)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_PROTOCOLS, Int(CURLPROTO_HTTP | CURLPROTO_HTTPS))
        // HTTP/2 multiplexes what is here one request a connection, and its flow control slows uploads down.
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let authorities = options.authorities {
            unsafe authorities.withCString { unsafe _ = cairn_curl_set_pointer(handle, CURLOPT_CAINFO, $0) }
        }
        if !request.usesProxy {
            unsafe "*".withCString { unsafe _ = cairn_curl_set_pointer(handle, CURLOPT_NOPROXY, $0) }
        }
    }

    private func setReceivers(_ transfer: Transfer) {
        let context = unsafe Unmanaged.passUnretained(transfer).toOpaque()
        unsafe cairn_curl_set_pointer(handle, CURLOPT_WRITEDATA, context)
        unsafe cairn_curl_set_pointer(handle, CURLOPT_HEADERDATA, context)
        unsafe cairn_curl_set_receiver(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            return unsafe transfer.receive(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        unsafe cairn_curl_set_receiver(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let transfer = unsafe Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue()
            unsafe transfer.receiveHeader(
                String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self))
            return size * count
        }
    }

    /// libcurl sends a request again by itself when a connection that it had kept breaks before there is an answer.
    private func countSends(_ transfer: Transfer) {
        unsafe cairn_curl_set_pointer(
            handle, CURLOPT_PREREQDATA, Unmanaged.passUnretained(transfer).toOpaque())
        unsafe cairn_curl_set_observer(handle, CURLOPT_PREREQFUNCTION) { context, _, _, _, _ in
            unsafe Unmanaged<Transfer>.fromOpaque(context!).takeUnretainedValue().sends += 1
            return CURL_PREREQFUNC_OK
        }
    }

    private func headerList(_ headers: HTTPHeaders) throws -> UnsafeMutablePointer<curl_slist>? {
        var list: UnsafeMutablePointer<curl_slist>?
        // libcurl would wait up to a second for `100 Continue` before a body, and name a form as its type.
        let silenced = headers["Content-Type"] == nil ? ["Expect:", "Content-Type:"] : ["Expect:"]
        let lines = headers.fields.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" } + silenced
        for line in lines {
            // A line break would begin another header field.
            precondition(!line.utf8.contains(10) && !line.utf8.contains(13), "a header field is one line")
            guard let longer = unsafe curl_slist_append(list, line) else {
                unsafe curl_slist_free_all(list)
                throw CairnError(.io, "libcurl is out of memory")
            }
            unsafe list = longer
        }
        return unsafe list
    }

    private func set(_ option: CURLoption, _ value: Int) {
        let code = unsafe cairn_curl_set_long(handle, option, value)
        precondition(code == CURLE_OK, "libcurl does not take option \(option.rawValue)")
    }

    private func set(_ option: CURLoption, _ text: String) throws {
        let code = unsafe text.withCString { unsafe cairn_curl_set_pointer(handle, option, $0) }
        guard code == CURLE_OK else { throw CairnError(.io, "libcurl is out of memory") }
    }
}

/// What an answer has brought so far.
private final class Transfer {
    let buffer: Buffer
    let start: Int
    /// How often the request went out.
    var sends = 0
    private let bodyMax: Int
    private(set) var headers = HTTPHeaders()
    private(set) var failure: CairnError?

    init(buffer: Buffer, bodyMax: Int) {
        self.buffer = buffer
        start = buffer.count
        self.bodyMax = bodyMax
    }

    /// Takes a part of the body; another count than was given makes libcurl end the transfer.
    func receive(_ part: UnsafeRawBufferPointer) -> Int {
        guard buffer.count - start + part.count <= bodyMax else {
            failure = CairnError(.limit, "the server's answer is larger than \(bodyMax) bytes")
            return 0
        }
        unsafe buffer.append(RawSpan(_unsafeBytes: part))
        return part.count
    }

    /// Takes a line of a header. A status line begins a new header: of a proxy's answer, of the one after a digest
    /// challenge.
    func receiveHeader(_ line: String) {
        if line.hasPrefix("HTTP/") {
            headers = HTTPHeaders()
            buffer.truncate(to: start)
            return
        }
        guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return }
        let value = line[line.utf8.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        headers.append(String(line[..<colon]), String(value.prefix { !$0.isNewline && $0 != "\r\n" }))
        reserve()
    }

    /// Makes room for a body of a stated length at once, so that a pack is not copied by each doubling.
    private func reserve() {
        guard let last = headers.fields.last, last.name.lowercased() == "content-length", let length = Int(last.value)
        else { return }
        buffer.reserve(start + min(max(length, 0), bodyMax, 64 << 20))
    }
}
