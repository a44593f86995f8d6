/** Commands of ipmi_sim_cmd(5) that make a BMC with a FRU and three sensors. */

interface SimulatedSensor {
  readonly number: number
  /** IPMI 2.0, table 42-3. */
  readonly type: number
  /** Table 43-15. */
  readonly unit: number
  readonly name: string
  readonly raw: number
  /** Reading = raw * factor * 10^exponent. */
  readonly factor: number
  readonly exponent: number
  /** Lower non-critical, critical, non-recoverable; upper ones in the same order. */
  readonly thresholds: readonly [number, number, number, number, number, number]
}

const SENSORS: readonly SimulatedSensor[] = [
  {
    ...{ number: 1, type: 1, unit: 1, name: 'CPU Temp', raw: 45, factor: 1, exponent: 0 },
    thresholds: [5, 2, 0, 80, 90, 95],
  },
  {
    ...{ number: 2, type: 4, unit: 18, name: 'Fan 1', raw: 60, factor: 100, exponent: 0 },
    thresholds: [10, 5, 0, 200, 220, 240],
  },
  {
    ...{ number: 3, type: 2, unit: 4, name: '12V Rail', raw: 120, factor: 1, exponent: -1 },
    thresholds: [108, 104, 100, 132, 136, 140],
  },
]

const FRU_BYTES = 256

/** The emulation of a BMC at 0x20 whose board and product bear `serial`. */
export function emulationOf(serial: string): string {
  const fru = hex(fruOf(serial))
  return [
    'mc_setbmc 0x20',
    'mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr',
    'sel_enable 0x20 1000 0x0a',
    `mc_add_fru_data 0x20 0 ${FRU_BYTES} data ${fru}`,
    ...SENSORS.flatMap(sensorCommands),
    'mc_enable 0x20',
    '',
  ].join('\n')
}

function sensorCommands(sensor: SimulatedSensor): readonly string[] {
  const { number, type, raw, thresholds } = sensor
  const highestFirst = thresholds.toReversed()
  const events = Array.from({ length: 4 }, () => '000111111111111').join(' ')
  const record = sdrOf(sensor)
  return [
    `sensor_add 0x20 0 ${number} ${type} 1`,
    `sensor_set_value 0x20 0 ${number} ${raw} 0`,
    `sensor_set_threshold 0x20 0 ${number} settable 111111 ${highestFirst.join(' ')}`,
    `sensor_set_event_support 0x20 0 ${number} enable scanning per-state ${events}`,
    `main_sdr_add 0x20 ${hex([number, 0, 0x51, 1, record.length, ...record])}`,
  ]
}

/** A full sensor record without its head (IPMI 2.0, table 43-1). */
function sdrOf({ number, type, unit, name, raw, factor, exponent, thresholds }: SimulatedSensor) {
  const [lower, lowerCritical, lowerLast, upper, upperCritical, upperLast] = thresholds
  return [
    ...[0x20, 0, number, 7, 1, 0x7f, 0x68, type, 1],
    ...[0xff, 0x7f, 0xff, 0x7f, 0x3f, 0x3f, 0, unit, 0, 0],
    ...[factor, 0, 0, 0, 0, (exponent & 0x0f) << 4, 7, raw, upper, lower, 255, 0],
    ...[upperLast, upperCritical, upper, lowerLast, lowerCritical, lower, 2, 2, 0, 0, 0],
    ...typed(name),
  ]
}

/** Areas of board and product (Platform Management FRU Information Storage Definition 1.0). */
function fruOf(serial: string): readonly number[] {
  const board = area([0x19, 0, 0, 0], ['Purlin', 'SimBoard', `b-${serial}`, 'SB-1', ''])
  const product = ['Purlin', 'SimChassis', 'SC-1', '1.0', serial, `asset-${serial}`, '']
  const head = [1, 0, 0, 1, 1 + board.length / 8, 0, 0]
  const all = [...head, checksum(head), ...board, ...area([0x19], product)]
  return [...all, ...Array<number>(FRU_BYTES - all.length).fill(0)]
}

function area(head: readonly number[], texts: readonly string[]): readonly number[] {
  const body = [...head, ...texts.flatMap(typed), 0xc1]
  const bytes = Math.ceil((body.length + 3) / 8) * 8
  const padding = Array<number>(bytes - 3 - body.length).fill(0)
  const whole = [1, bytes / 8, ...body, ...padding]
  return [...whole, checksum(whole)]
}

function typed(text: string): readonly number[] {
  return [0xc0 | text.length, ...Buffer.from(text, 'latin1')]
}

function checksum(bytes: readonly number[]): number {
  return -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(' ')
}
