-- All but GET and HEAD of objects, which are files: reads what arrives, and keeps nothing.

local FIXED = "0123456789abcdef0123456789abcdef"
local RECEIVED_AT_ONCE = 256 * 1024
local KEYS_OF_A_PAGE = 1000
local KEYS_OF_A_DIRECTORY = 10
local NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
local ENTRY = "<Contents><Key>%s</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>"
    .. "<ETag>&quot;" .. FIXED .. "&quot;</ETag><Size>1024</Size>"
    .. "<StorageClass>STANDARD</StorageClass></Contents>"

pages = pages or {} -- the pages of listings, by path

local function discard_body()
    local left = tonumber(ngx.var.http_content_length) or 0
    if left == 0 then
        return
    end
    local socket = assert(ngx.req.socket())
    while left > 0 do
        left = left - #assert(socket:receive(math.min(left, RECEIVED_AT_ONCE)))
    end
end

local function whole_body()
    ngx.req.read_body()
    return ngx.req.get_body_data() or ""
end

local function hexadecimal(data)
    return (data:gsub(".", function(byte)
        return string.format("%02x", byte:byte())
    end))
end

local function binary(text)
    return (text:gsub("%x%x", function(pair)
        return string.char(tonumber(pair, 16))
    end))
end

local function respond(body)
    ngx.header["Content-Type"] = "application/xml"
    ngx.header["Content-Length"] = #body
    ngx.print(body)
end

-- The ETag is the MD5 that the request says, and was not computed.
local function put()
    discard_body()
    local digest = ngx.var.http_content_md5
    ngx.header["ETag"] = '"' .. (digest and hexadecimal(ngx.decode_base64(digest)) or FIXED) .. '"'
    ngx.header["Content-Length"] = 0
    ngx.status = 200
    ngx.send_headers()
end

local function create_upload()
    discard_body()
    respond("<InitiateMultipartUploadResult" .. NAMESPACE .. "<Bucket>bench</Bucket><Key>key</Key>"
        .. "<UploadId>upload</UploadId></InitiateMultipartUploadResult>")
end

local function complete_upload()
    local digests = {}
    for digest in whole_body():gmatch("<ETag>[^%x<]*(%x+)") do
        digests[#digests + 1] = binary(digest)
    end
    respond("<CompleteMultipartUploadResult" .. NAMESPACE .. "<Bucket>bench</Bucket><Key>key</Key><ETag>&quot;"
        .. ngx.md5(table.concat(digests)) .. "-" .. #digests
        .. "&quot;</ETag></CompleteMultipartUploadResult>")
end

local function delete_objects()
    local body, deleted = whole_body(), {}
    if not body:find("<Quiet>true</Quiet>", 1, true) then
        for name in body:gmatch("<Key>[^<]*</Key>") do
            deleted[#deleted + 1] = "<Deleted>" .. name .. "</Deleted>"
        end
    end
    respond("<DeleteResult" .. NAMESPACE
        .. table.concat(deleted) .. "</DeleteResult>")
end

-- A token, and the name of a key, end with the number of a key.
local function list(query)
    local after = query["continuation-token"] or query["marker"] or query["start-after"] or ""
    local last = after:match("(%d+)[^%d]*$")
    local number = last and math.floor((tonumber(last) + 1) / KEYS_OF_A_PAGE) or 0
    local path = ngx.var.pages .. ngx.var.uri:match("/[^/]+") .. "/" .. number .. ".xml"
    if not pages[path] then
        local file = assert(io.open(path, "rb"))
        pages[path] = file:read("*a")
        file:close()
    end
    respond(pages[path])
end

-- A bucket tree-8 has 8 directories of 10 keys each.
local function list_directory(count, prefix)
    local entries = {}
    if prefix == "" then
        for number = 1, count do
            entries[number] = "<CommonPrefixes><Prefix>" .. number .. "/</Prefix></CommonPrefixes>"
        end
    else
        for number = 1, KEYS_OF_A_DIRECTORY do
            entries[number] = ENTRY:format(prefix .. number)
        end
    end
    respond("<ListBucketResult" .. NAMESPACE .. "<Name>tree</Name><Prefix>" .. prefix .. "</Prefix><Delimiter>/</Delimiter><MaxKeys>1000</MaxKeys>"
        .. "<KeyCount>" .. #entries .. "</KeyCount><IsTruncated>false</IsTruncated>"
        .. table.concat(entries) .. "</ListBucketResult>")
end

local method, query = ngx.req.get_method(), ngx.req.get_uri_args()
if method == "PUT" then
    put()
elseif method == "POST" and query["uploads"] then
    create_upload()
elseif method == "POST" and query["uploadId"] then
    complete_upload()
elseif method == "POST" then
    delete_objects()
elseif method == "DELETE" then
    ngx.exit(204)
elseif method == "HEAD" then
    ngx.exit(200)
elseif query["location"] then
    respond("<LocationConstraint" .. NAMESPACE .. "</LocationConstraint>")
elseif ngx.var.uri:find("^/tree-") then
    list_directory(tonumber(ngx.var.uri:match("%d+")), query["prefix"] or "")
else
    list(query)
end
