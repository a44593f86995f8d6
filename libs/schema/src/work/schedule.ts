import { z } from 'zod'

const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d$/

/** When something recurs: days, a time of day in a time zone, and how long it may take. */
export const schedule = z
  .strictObject({
    timeZone: z
      .string()
      .refine(isTimeZone, 'must be a time zone of the IANA database such as Europe/Berlin')
      .default('Etc/UTC'),
    days: z
      .array(z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']))
      .min(1)
      .default(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']),
    at: z.string().regex(TIME_OF_DAY, 'must be HH:MM'),
    windowMinutes: z.number().int().min(1).max(1440).default(60),
  })
  .meta({ id: 'Schedule' })
export type Schedule = z.infer<typeof schedule>

const DAY_MS = 86_400_000
const DAY_NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

/** Start of the first window that begins after `afterMs`, milliseconds since 1970. A time of day
 *  that the clock change leaves out happens at the first instant after the gap. Pure. */
export function nextStartMs(plan: Schedule, afterMs: number): number {
  const [hour = 0, minute = 0] = plan.at.split(':').map(Number)
  const today = localDate(afterMs, plan.timeZone)
  for (let ahead = 0; ahead <= 8; ahead++) {
    const noon = Date.UTC(today.year, today.month - 1, today.day, 12) + ahead * DAY_MS
    const weekday = DAY_NAMES[new Date(noon).getUTCDay()]
    if (weekday === undefined || !plan.days.includes(weekday)) continue
    const wall = noon + (hour - 12) * 3_600_000 + minute * 60_000
    const start = instantOfWall(wall, plan.timeZone)
    if (start > afterMs) return start
  }
  throw new RangeError(`no window of ${plan.at} on ${plan.days.join(', ')} within eight days`)
}

/** Whether `atMs` lies within a window of the schedule. Pure. */
export function withinWindow(plan: Schedule, atMs: number): boolean {
  const lengthMs = plan.windowMinutes * 60_000
  return nextStartMs(plan, atMs - lengthMs) <= atMs
}

/** The instant at which clocks of the zone show `wallMs` (a wall time written as if it were
 *  UTC). */
function instantOfWall(wallMs: number, timeZone: string): number {
  const before = wallMs - offsetMs(wallMs - DAY_MS, timeZone)
  const after = wallMs - offsetMs(wallMs + DAY_MS, timeZone)
  const candidates = [before, after].filter(
    (instant) => instant + offsetMs(instant, timeZone) === wallMs,
  )
  if (candidates.length > 0) return Math.min(...candidates)
  return changeBetween(Math.min(before, after), Math.max(before, after), timeZone)
}

/** The first instant after `fromMs`, up to `toMs`, at which the zone's clocks have been put
 *  forward. */
function changeBetween(fromMs: number, toMs: number, timeZone: string): number {
  const offsetBefore = offsetMs(fromMs, timeZone)
  let [low, high] = [fromMs, toMs]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetMs(middle, timeZone) === offsetBefore) low = middle
    else high = middle
  }
  return high
}

function offsetMs(instantMs: number, timeZone: string): number {
  const local = localDate(instantMs, timeZone)
  const asUtc = Date.UTC(
    local.year,
    local.month - 1,
    local.day,
    local.hour,
    local.minute,
    local.second,
  )
  return asUtc - Math.floor(instantMs / 1000) * 1000
}

function localDate(instantMs: number, timeZone: string) {
  const parts = new Intl.DateTimeFormat('en-US-u-hc-h23', {
    timeZone,
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(instantMs)
  const read = (type: string): number => Number(parts.find((part) => part.type === type)?.value)
  return {
    year: read('year'),
    month: read('month'),
    day: read('day'),
    hour: read('hour'),
    minute: read('minute'),
    second: read('second'),
  }
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: text })
    return true
  } catch {
    return false
  }
}
