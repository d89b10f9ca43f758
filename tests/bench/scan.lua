-- wrk's requests: unique scans in the order of tests/bench/workload.py.
-- Arguments: kind (v1, form, get: parents, bag: parents and children), tag, stations, first parent, seed, header name, number of parents to read,
-- then values of the header: one a station, in turn.

local format, random, floor = string.format, math.random, math.floor
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function parent_code(index)
  if index < 100000 then return format("SB%05d", index) end
  return format("M444-%05d", index - 100000)
end

function init(args)
  kind, tag = args[1], args[2]
  stations, first = tonumber(args[3]), tonumber(args[4])
  math.randomseed(tonumber(args[5]))
  keys = tonumber(args[7])
  number, sent = 0, 0
  heads = {}
  for i = 8, #args do
    local head = " HTTP/1.1\r\nHost: bench\r\n" .. args[6] .. ": " .. args[i] .. "\r\n"
    if kind == "v1" then
      head = "POST " .. wrk.path .. head .. "Content-Type: application/json\r\nContent-Length: "
    elseif kind == "form" then
      head = "POST " .. wrk.path .. head .. "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: "
    else
      head = head .. "\r\n"
    end
    heads[i - 7] = head
  end
end

local function scan()
  local station = number % stations
  local turn = floor(number / stations)
  number = number + 1
  local cycle, place = floor(turn / 31), turn % 31
  local parent = parent_code(first + station + stations * cycle)
  if place == 0 then return parent, nil end
  return format("%s%03d%06d", tag, station, turn), parent
end

function request()
  sent = sent + 1
  if kind == "bag" then
    local parent = random(0, keys - 1)
    local place = random(0, 1) * random(1, 29)
    local code = place == 0 and parent_code(parent) or format("C%06d%02d", parent, place)
    return "GET " .. wrk.path .. code .. heads[1 + sent % #heads]
  elseif kind == "get" then
    return "GET " .. wrk.path .. parent_code(random(0, keys - 1)) .. heads[1 + sent % #heads]
  end
  local head = heads[1 + number % stations % #heads]
  local code, parent = scan()
  local body
  if kind == "form" then
    body = "qr_code=" .. code .. (parent and "&parent_qr=" .. parent or "")
  else
    body = format(
      '{"scan_id":"%08x-%04x-4%03x-8%03x-%08x%04x","code":"%s","parent":%s,"bill":null,"station":"gate-%d",' ..
      '"captured_at":"2026-01-05T10:00:00+05:30"}',
      random(0, 0x7fffffff), random(0, 0xffff), random(0, 0xfff), random(0, 0xfff), random(0, 0x7fffffff),
      random(0, 0xffff), code, parent and '"' .. parent .. '"' or "null", number % 40)
  end
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency, requests)
  local sent = 0
  for _, thread in ipairs(threads) do sent = sent + thread:get("sent") end
  local e = summary.errors
  io.write(format(
    'RESULT {"requests":%d,"sent":%d,"seconds":%.6f,"refused":%d,"broken":%d}\n',
    summary.requests, sent, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout))
end
