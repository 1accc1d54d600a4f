-- What stands above this line is generated from the description of the headers; what follows is the same for all of
-- them. It needs Wireshark 3.0 or later, and runs under Lua 5.2 as under 5.4.

local netlab = Proto("netlab", "netlab packet")

-- ---- fields --------------------------------------------------------------------------------------------------------

local registered = {}

local function register(key, field)
    registered[#registered + 1] = field
    return field
end

local UNSIGNED = { [1] = ProtoField.uint8, [2] = ProtoField.uint16, [4] = ProtoField.uint32, [8] = ProtoField.uint64 }

local function field_of(one)
    local filter = one.filter
    if one.shown == "text" then
        return ProtoField.string(filter, one.name, base.ASCII, one.means)
    elseif one.shown == "bytes" then
        return ProtoField.bytes(filter, one.name, base.NONE, one.means)
    end
    local how = (one.shown == "hex" or one.shown == "flags") and base.HEX or base.DEC
    return UNSIGNED[one.size](filter, one.name, how, one.names, one.mask, one.means)
end

for _, header in ipairs({ HEADER, TOKEN, RUDP, RANGE }) do
    for _, one in ipairs(header.fields) do
        one.field = register(one.key, field_of(one))
        for _, flag in ipairs(one.flags or {}) do
            flag.field = register(flag.key, ProtoField.bool(flag.filter, flag.name, one.size * 8, nil, flag.mask))
        end
    end
end

local F = {
    payload = ProtoField.bytes("netlab.payload", "payload"),
    text = ProtoField.string("netlab.text", "JSON text", base.UNICODE, "a whole message, as it was said"),
    event = ProtoField.string("netlab.event", "event", base.UNICODE, "the type of the message"),
    segment_data = ProtoField.bytes("netlab.rudp.data", "data", base.NONE, "a piece of the stream"),
    transport_bytes = ProtoField.bytes("netlab.left_over", "bytes left over"),
    fragment = ProtoField.framenum("netlab.fragment", "fragment", base.NONE, frametype.NONE),
    reassembled_in = ProtoField.framenum("netlab.reassembled_in", "message is whole in frame", base.NONE, frametype.NONE),
    reassembled_length = ProtoField.uint32("netlab.reassembled_length", "message length", base.DEC),
}
for key, field in pairs(F) do
    register(key, field)
end
netlab.fields = registered

local E = {
    crc = ProtoExpert.new("netlab.expert.crc", "The CRC-32 is wrong: the packet was damaged on its way",
        expert.group.CHECKSUM, expert.severity.ERROR),
    version = ProtoExpert.new("netlab.expert.version", "The version is not known",
        expert.group.UNDECODED, expert.severity.WARN),
    type = ProtoExpert.new("netlab.expert.type", "The type is not known",
        expert.group.UNDECODED, expert.severity.WARN),
    flags = ProtoExpert.new("netlab.expert.flags", "Flags are set that are not known",
        expert.group.UNDECODED, expert.severity.WARN),
    reserved = ProtoExpert.new("netlab.expert.reserved", "Reserved bits are set; receivers ignore them",
        expert.group.PROTOCOL, expert.severity.NOTE),
    token = ProtoExpert.new("netlab.expert.token", "Flag SESSION, but the payload holds no token",
        expert.group.MALFORMED, expert.severity.ERROR),
    goes_on = ProtoExpert.new("netlab.expert.cut_short", "The packet is longer than what is here of it",
        expert.group.MALFORMED, expert.severity.WARN),
    left_over = ProtoExpert.new("netlab.expert.left_over", "No packet begins here; nothing behind it is looked at",
        expert.group.MALFORMED, expert.severity.ERROR),
    fragment = ProtoExpert.new("netlab.expert.fragment", "The fragments of this message contradict each other",
        expert.group.REASSEMBLE, expert.severity.ERROR),
    segment = ProtoExpert.new("netlab.expert.segment", "The segment is shorter than its header says",
        expert.group.MALFORMED, expert.severity.ERROR),
    again = ProtoExpert.new("netlab.expert.duplicate", "This fragment was here before",
        expert.group.REASSEMBLE, expert.severity.NOTE),
    given_up = ProtoExpert.new("netlab.expert.given_up", "The message was given up before this fragment came",
        expert.group.REASSEMBLE, expert.severity.WARN),
}
local experts = {}
for _, one in pairs(E) do
    experts[#experts + 1] = one
end
netlab.experts = experts

netlab.prefs.check_crc = Pref.bool("Check the CRC-32 of every packet", true)
netlab.prefs.reassemble = Pref.bool("Put split messages together", true)
netlab.prefs.show_json = Pref.bool("Show messages with the dissector for JSON", true)

local interface_id = Field.new("frame.interface_id")
local json = Dissector.get("json")

-- ---- CRC-32, as zlib has it -----------------------------------------------------------------------------------------

local band, bxor, rshift
if bit32 then
    band, bxor, rshift = bit32.band, bit32.bxor, bit32.rshift
else -- Lua 5.3 and later have operators, which 5.2 could not even read
    band = load("return function(a, b) return a & b end")()
    bxor = load("return function(a, b) return a ~ b end")()
    rshift = load("return function(a, n) return a >> n end")()
end

local CRC = {}
for byte = 0, 255 do
    local c = byte
    for _ = 1, 8 do
        c = band(c, 1) == 1 and bxor(rshift(c, 1), 0xEDB88320) or rshift(c, 1)
    end
    CRC[byte] = c
end

local function crc32(...)
    local c = 0xFFFFFFFF
    for _, bytes in ipairs({ ... }) do
        for at = 1, #bytes do
            c = bxor(rshift(c, 8), CRC[band(bxor(c, bytes:byte(at)), 0xFF)])
        end
    end
    return bxor(c, 0xFFFFFFFF)
end

-- ---- putting messages together: the rules of netlab's own reassembler, without its quotas of memory ------------------

local unfinished, finished, verdicts
local begun, streams, whole_packets -- of rudp: sessions whose handshake is here; streams; what was whole in which frame

function netlab.init()
    unfinished, finished, verdicts = {}, {}, {}
    begun, streams, whole_packets = {}, {}, {}
end

local function finish(key, message, now)
    unfinished[key] = nil
    finished[key] = { message = message, until_s = now + LIMITS.finished_remembered_s }
end

local function broken(key, message, now, expert, why)
    finish(key, message, now)
    message.broken = true
    return { message = message, expert = expert, why = why }
end

-- What one fragment does to its message, seen for the first time.
local function arrive(key, frame, now, index, count, body)
    local message, old = unfinished[key], finished[key]
    if message and now - message.began >= LIMITS.timeout_s then
        finish(key, message, message.began + LIMITS.timeout_s)
        message.broken, message, old = true, nil, finished[key]
    end
    if old and old.until_s > now then
        return { message = old.message, expert = old.message.broken and E.given_up or E.again }
    end
    if count > LIMITS.max_fragments then
        return { expert = E.fragment, why = "more fragments than " .. LIMITS.max_fragments }
    end
    if not message then
        message = { began = now, count = count, here = 0, size = 0, bodies = {}, frames = {} }
        unfinished[key] = message
    end
    if message.count ~= count then
        return broken(key, message, now, E.fragment, "another count of fragments came before")
    end
    local there = message.bodies[index]
    if there == body then
        return { message = message, expert = E.again }
    elseif there then
        return broken(key, message, now, E.fragment, "other bytes came before in the same place")
    elseif #body < LIMITS.min_fragment and index < count - 1 then
        return broken(key, message, now, E.fragment, "shorter than " .. LIMITS.min_fragment .. " bytes, and not the last")
    end
    message.size = message.size + #body
    if message.size > LIMITS.max_message then
        return broken(key, message, now, E.fragment, "longer than " .. LIMITS.max_message .. " bytes in all")
    end
    message.bodies[index], message.frames[index] = body, frame
    message.here = message.here + 1
    if message.here == count then
        local parts = {}
        for number = 0, count - 1 do
            parts[#parts + 1] = message.bodies[number]
        end
        message.whole, message.whole_in = table.concat(parts), frame
        message.bodies = {}
        finish(key, message, now)
    end
    return { message = message }
end

-- ---- what a message says, in a few words --------------------------------------------------------------------------

local WIDEST = 100 -- bytes of a message in the list of packets

-- The text of a member of a JSON object, as it is written there; netlab writes no blanks.
local function member(body, key)
    local _, at = body:find('"' .. key .. '":%[?"')
    if not at then
        return nil
    end
    local from = at + 1
    repeat
        at = body:find('["\\]', at + 1)
        if not at then
            return nil
        end
        local escaped = body:sub(at, at) == "\\"
        at = escaped and at + 1 or at
    until not escaped
    return body:sub(from, at - 1)
end

local function words(body)
    local said = member(body, "type")
    if not said then
        return ""
    end
    for _, key in ipairs({ "event", "name", "status", "code", "room", "to" }) do
        local value = member(body, key)
        said = value and said .. " " .. value or said
    end
    local text = member(body, "args")
    said = text and said .. ": " .. text or said
    return #said > WIDEST and said:sub(1, WIDEST) .. "..." or said
end

local function show_message(range, tree, pinfo)
    local body = range:raw()
    if body:sub(1, 1) ~= "{" then
        return ""
    end
    tree:add_packet_field(F.text, range, ENC_UTF_8)
    local kind = member(body, "type")
    if kind then
        tree:add(F.event, range, kind)
    end
    if netlab.prefs.show_json then
        pcall(json.call, json, range:tvb(), pinfo, tree)
    end
    return words(body)
end

-- ---- one packet ----------------------------------------------------------------------------------------------------

local AT = {}
for _, one in ipairs(HEADER.fields) do
    AT[one.key] = one
end

local function begins_like_a_packet(tvb, at, any_version)
    if tvb:len() - at < HEADER.len or tvb(at, #MAGIC):raw() ~= MAGIC then
        return false
    end
    return any_version or tvb(at, HEADER.len):bitfield(AT.version.bit, AT.version.bits) == VERSION
end

local function show_header(header, range, tree)
    local values, items = {}, {}
    for _, one in ipairs(header.fields) do
        local part = range(one.at, one.size)
        items[one.key] = tree:add(one.field, part)
        if one.bits <= 32 then
            values[one.key] = range:bitfield(one.bit, one.bits)
        end
        for _, flag in ipairs(one.flags or {}) do
            items[one.key]:add(flag.field, part)
        end
    end
    return values, items
end

local function doubts(header, items, range, payload)
    if header.version ~= VERSION then
        items.version:add_proto_expert_info(E.version)
    elseif not AT.type.names[header.type] then
        items.type:add_proto_expert_info(E.type)
    end
    if band(header.flags, KNOWN_FLAGS) ~= header.flags then
        items.flags:add_proto_expert_info(E.flags)
    end
    if header.reserved ~= 0 then
        items.reserved:add_proto_expert_info(E.reserved)
    end
    if header.fragment_index >= header.fragment_count then
        items.fragment_index:add_proto_expert_info(E.fragment, "The fragment's index is not below the count")
    end
    if netlab.prefs.check_crc then
        local right = crc32(range(0, AT.crc.at):raw(), payload)
        if right == header.crc then
            items.crc:append_text(" (right)")
        else
            items.crc:append_text(string.format(" (0x%08x would be right)", right))
            items.crc:add_proto_expert_info(E.crc)
            return false
        end
    end
    return header.fragment_index < header.fragment_count
end

local function show_fragments(message, tree, pinfo)
    if not message.whole then
        tree:append_text(string.format(", %d of %d fragments are in this capture", message.here, message.count))
        return ""
    end
    if message.whole_in ~= pinfo.number then
        tree:add(F.reassembled_in, message.whole_in):set_generated()
        return ""
    end
    local range = ByteArray.new(message.whole, true):tvb("whole message"):range()
    local part = tree:add(netlab, range, string.format("message of %d bytes, from %d fragments", #message.whole, message.count))
    for number = 0, message.count - 1 do
        part:add(F.fragment, message.frames[number]):set_generated()
    end
    part:add(F.reassembled_length, #message.whole):set_generated()
    local said = show_message(range, part, pinfo)
    return said ~= "" and "whole: " .. said or "whole"
end

local function flow_of(pinfo, token)
    local seen_at = interface_id()
    return table.concat({
        seen_at and tostring(seen_at.value) or "", pinfo.port_type, tostring(pinfo.src), pinfo.src_port, tostring(pinfo.dst),
        pinfo.dst_port, token or "",
    }, " ")
end

-- ---- rudp: a segment of a stream behind our header ---------------------------------------------------------------

local show_packet

local WRAP, HALF = 2 ^ 32, 2 ^ 31

-- The packets of a stream that a piece of it makes whole, each as bytes; netlab packets stand there as on a TCP stream.
local function continue_stream(stream, offset, data, unordered)
    offset = stream.at + (offset - stream.at + HALF) % WRAP - HALF
    if stream.ended then
        return {}
    end
    local there = stream.waiting[offset]
    if not there or #there.data < #data then -- what is sent again may be cut elsewhere
        stream.waiting[offset] = { data = data, unordered = unordered }
    end
    local found = {}
    repeat
        local taken
        for from, chunk in pairs(stream.waiting) do
            if from <= stream.at then
                stream.waiting[from] = nil
                local new = chunk.data:sub(stream.at - from + 1)
                stream.at = stream.at + #new
                if not chunk.unordered then
                    stream.rest = stream.rest .. new
                end
                taken = true
            end
        end
    until not taken
    while #stream.rest >= HEADER.len do
        if stream.rest:sub(1, #MAGIC) ~= MAGIC then
            stream.ended = true -- other programs' data: the next header is never hunted for
            break
        end
        local high, low = stream.rest:byte(AT.payload_length.at + 1, AT.payload_length.at + 2)
        local size = HEADER.len + high * 256 + low
        if #stream.rest < size then
            break
        end
        found[#found + 1] = stream.rest:sub(1, size)
        stream.rest = stream.rest:sub(size + 1)
    end
    return found
end

local function show_ranges(count, range, tree)
    local told = {}
    for number = 0, count - 1 do
        local one = show_header(RANGE, range(number * RANGE.len, RANGE.len), tree)
        told[#told + 1] = one.first == one.last and tostring(one.first) or one.first .. "-" .. one.last
    end
    return #told > 0 and ", acknowledges " .. table.concat(told, "; ") or ""
end

local function show_segment(range, pinfo, packet, tree, token)
    if range:len() < RUDP.len then
        packet:add_proto_expert_info(E.segment)
        return ""
    end
    local part = packet:add(netlab, range, "rudp segment")
    local segment, items = show_header(RUDP, range(0, RUDP.len), part)
    local data_at = RUDP.len + segment.ack_ranges * RANGE.len
    if range:len() < data_at then
        items.ack_ranges:add_proto_expert_info(E.segment)
        return ""
    end
    local acknowledges = segment.ack_ranges > 0
        and show_ranges(segment.ack_ranges, range(RUDP.len, data_at - RUDP.len), part) or ""
    local info = band(segment.flags, ELICITS) ~= 0 and " " .. segment.number or "" -- else the number says nothing
    if range:len() == data_at then
        part:append_text(info .. acknowledges)
        return info .. acknowledges
    end
    local data = range(data_at)
    info = string.format("%s: bytes %d to %d", info, segment.offset, segment.offset + data:len() - 1) .. acknowledges
    part:append_text(info)
    part:add(F.segment_data, data)
    local place = string.format("%d %d %d", pinfo.number, segment.stream, segment.number)
    if not pinfo.visited then
        local key = flow_of(pinfo, token) .. " " .. segment.stream
        local bytes = data:raw()
        if not streams[key] then
            local from_here = not begun[token or ""] and bytes:sub(1, #MAGIC) == MAGIC
            streams[key] = { at = from_here and segment.offset or 0, rest = "", waiting = {} }
        end
        local unordered = band(segment.flags, UNORDERED) ~= 0
        whole_packets[place] = continue_stream(streams[key], segment.offset, bytes, unordered)
    end
    for _, bytes in ipairs(whole_packets[place] or {}) do
        local tvb = ByteArray.new(bytes, true):tvb("packet of stream " .. segment.stream)
        local said = show_packet(tvb, 0, #bytes, pinfo, tree, token)
        info = info .. " | " .. said
    end
    return info
end

-- Show the packet at `at`, of which `size` bytes are here. Its few words come back, and the token of its session.
function show_packet(tvb, at, size, pinfo, tree, token)
    local range = tvb(at, size)
    local packet = tree:add(netlab, range)
    local header, items = show_header(HEADER, range(0, HEADER.len), packet)
    local name = AT.type.names[header.type] or ("type " .. header.type)
    local info = header.type == SEGMENT and name or string.format("%s %08x", name, header.message_id)
    if header.fragment_count ~= 1 then
        info = string.format("%s %d/%d", info, header.fragment_index + 1, header.fragment_count)
    end
    packet:append_text(": " .. info)
    if size < HEADER.len + header.payload_length then
        packet:add_proto_expert_info(E.goes_on)
        return info .. ", cut short", token
    end
    local payload = range:raw(HEADER.len)
    local sound = doubts(header, items, range, payload)
    local body_at = HEADER.len
    if band(header.flags, SESSION) ~= 0 then
        if size - body_at < TOKEN.len then
            items.flags:add_proto_expert_info(E.token)
            return info, token
        end
        show_header(TOKEN, range(body_at, TOKEN.len), packet)
        token = range(body_at, TOKEN.len):bytes():tohex()
        body_at = body_at + TOKEN.len
        begun[token] = begun[token] or header.type == ACK
    end
    if header.type == SEGMENT and sound then
        return info .. show_segment(range(body_at), pinfo, packet, tree, token), token
    end
    local said = ""
    if size > body_at then
        packet:add(F.payload, range(body_at))
    end
    if sound and header.fragment_count == 1 and size > body_at then
        said = show_message(range(body_at), packet, pinfo)
    elseif sound and header.fragment_count > 1 and netlab.prefs.reassemble then
        local place = string.format("%d %d %d %d", pinfo.number, tvb:len(), at, header.message_id)
        if not pinfo.visited then
            local key = flow_of(pinfo, token) .. " " .. header.message_id
            local now, body = pinfo.rel_ts, range:raw(body_at)
            verdicts[place] = arrive(key, pinfo.number, now, header.fragment_index, header.fragment_count, body)
        end
        local verdict = verdicts[place]
        if verdict and verdict.why then
            packet:add_proto_expert_info(verdict.expert, "Fragments at odds: " .. verdict.why)
        elseif verdict and verdict.expert then
            packet:add_proto_expert_info(verdict.expert)
        end
        if verdict and verdict.message then
            said = show_fragments(verdict.message, packet, pinfo)
        end
    end
    return said ~= "" and info .. " " .. said or info, token
end

-- ---- a datagram, a stream, a frame of WebSocket -------------------------------------------------------------------

local function show(infos, pinfo)
    pinfo.cols.protocol = "netlab"
    pinfo.cols.info:clear() -- back to the fence: what this frame's packets before these said
    local before = tostring(pinfo.cols.info):find("%S") and " | " or ""
    pinfo.cols.info:append(before .. table.concat(infos, " | "))
    pinfo.cols.info:fence()
end

local function show_left_over(tvb, at, tree)
    tree:add(F.transport_bytes, tvb(at)):add_proto_expert_info(E.left_over)
end

-- All packets of something whole: a datagram, or a frame of WebSocket.
local function dissect_whole(tvb, pinfo, tree)
    local at, infos, token = 0, {}, nil
    while begins_like_a_packet(tvb, at, true) do
        local announced = HEADER.len + tvb(at + AT.payload_length.at, AT.payload_length.size):uint()
        local size = math.min(announced, tvb:len() - at)
        infos[#infos + 1], token = show_packet(tvb, at, size, pinfo, tree, token)
        at = at + size
    end
    if at == 0 then
        return 0
    end
    if at < tvb:len() then
        show_left_over(tvb, at, tree)
    end
    show(infos, pinfo)
    return tvb:len()
end

local function may_begin(tvb, at)
    local bytes = tvb(at, math.min(#MAGIC, tvb:len() - at)):raw()
    return tvb:len() - at < HEADER.len and MAGIC:sub(1, #bytes) == bytes
end

-- The packets of a stream: one that goes on in the next segment is asked for again when that is there.
local function dissect_stream(tvb, pinfo, tree)
    local at, infos = 0, {}
    while at < tvb:len() do
        local missing = nil
        if begins_like_a_packet(tvb, at, true) then
            local size = HEADER.len + tvb(at + AT.payload_length.at, AT.payload_length.size):uint()
            if size > tvb:len() - at then
                missing = size - (tvb:len() - at)
            else
                infos[#infos + 1] = show_packet(tvb, at, size, pinfo, tree, nil)
                at = at + size
            end
        elseif may_begin(tvb, at) then
            missing = DESEGMENT_ONE_MORE_SEGMENT
        elseif at == 0 then
            return 0
        else
            show_left_over(tvb, at, tree)
            break
        end
        if missing and pinfo.can_desegment > 0 then
            pinfo.desegment_offset, pinfo.desegment_len = at, missing
            break
        elseif missing then
            if begins_like_a_packet(tvb, at, true) then
                infos[#infos + 1] = show_packet(tvb, at, tvb:len() - at, pinfo, tree, nil)
            end
            break
        end
    end
    if #infos > 0 then
        show(infos, pinfo)
    end
    return tvb:len()
end

local TCP = 2 -- what `pinfo.port_type` calls it

function netlab.dissector(tvb, pinfo, tree)
    if pinfo.port_type == TCP and pinfo.can_desegment >= 0 and not pinfo.in_error_pkt then
        return dissect_stream(tvb, pinfo, tree)
    end
    return dissect_whole(tvb, pinfo, tree)
end

netlab:register_heuristic("udp", function(tvb, pinfo, tree)
    return begins_like_a_packet(tvb, 0, false) and dissect_whole(tvb, pinfo, tree) > 0
end)

netlab:register_heuristic("ws", function(tvb, pinfo, tree)
    return begins_like_a_packet(tvb, 0, false) and dissect_whole(tvb, pinfo, tree) > 0
end)

netlab:register_heuristic("tcp", function(tvb, pinfo, tree)
    if not begins_like_a_packet(tvb, 0, false) then
        return false
    end
    pinfo.conversation = netlab
    return dissect_stream(tvb, pinfo, tree) > 0
end)

for _, port in ipairs(PORTS) do
    local known, dissector = true, netlab
    if port.dissector then -- the name has changed with the versions of Wireshark
        known, dissector = pcall(Dissector.get, port.dissector .. "-over-tcp")
        if not known or not dissector then
            known, dissector = pcall(Dissector.get, port.dissector)
        end
    end
    if known and dissector then
        DissectorTable.get(port.over .. ".port"):add(port.number, dissector)
    end
end
