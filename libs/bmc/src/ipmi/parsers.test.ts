import test from 'ava'
import fc from 'fast-check'
import { TEXT_CHARACTERS_MAX } from '../foreign-text.ts'
import { bootWords, readBootFlags } from './boot-flags.ts'
import { readHardware, readSerials } from './controller-text.ts'
import { EVENTS_MAX, parseEvents } from './event-text.ts'
import { parseFieldUnits } from './field-unit-text.ts'
import { parsePowerState, parseRawBytes } from './power-text.ts'
import { parseSensors } from './sensor-text.ts'

const FRU = `FRU Device Description : Builtin FRU Device (ID 0)
 Board Mfg Date        : Mon Jan  1 00:00:00 1996 UTC
 Board Mfg             : Purlin
 Board Serial          : b-77
 Product Name          : SimChassis
 Product Serial        : ch0

FRU Device Description : PSU 1 (ID 3)
 Device not present (Requested sensor, data, or record not found)
`

const CONTROLLER = `Device ID                 : 0
Firmware Revision         : 9.08
IPMI Version              : 2.0
Manufacturer Name         : MontaVista Software, Inc.
Product Name              : Unknown (0xF02)
`

test('a power state is read of its own sentence alone', (t) => {
  t.is(parsePowerState('Chassis Power is on\n'), 'on')
  t.is(parsePowerState('Chassis Power is off\n'), 'off')
  for (const text of ['', 'Chassis Power is onn', 'x Chassis Power is on', 'Chassis Power is '])
    t.is(parsePowerState(text), undefined)
})

test('boot flags are read of their bytes, invalid ones too', (t) => {
  const read = (text: string) => readBootFlags(parseRawBytes(text, 16) ?? [])
  const pxeOnce = { device: 'pxe', lasting: false, firmware: 'bios', valid: false }
  t.deepEqual(read(' 01 05 00 04 00 00 00\n'), pxeOnce as ReturnType<typeof read>)
  const diskAlways = { device: 'disk', lasting: true, firmware: 'uefi', valid: true }
  t.deepEqual(read('01 05 e0 08 00 00 00'), diskAlways as ReturnType<typeof read>)
  t.is(read('01 05 80 3c 00 00 00')?.device, 'other')
  t.is(read('01 85 80 14 00 00 00')?.device, 'cdrom')
  for (const text of ['', '01 05 00', '02 05 00 04 00', '01 04 00 04 00', '01 05 zz', '1 5 0 4 0'])
    t.is(read(text), undefined, text)
})

test('a request becomes words of ipmitool', (t) => {
  t.deepEqual(bootWords({ device: 'pxe', lasting: false, firmware: 'bios' }), [
    ...['chassis', 'bootdev', 'pxe'],
  ])
  t.deepEqual(bootWords({ device: 'setup', lasting: true, firmware: 'uefi' }), [
    ...['chassis', 'bootdev', 'bios', 'options=persistent,efiboot'],
  ])
})

test('sensors have a reading and thresholds where they are numbers', (t) => {
  const text = `CPU Temp,45.000,degrees C,ok,0.000,2.000,5.000,80.000,90.000,95.000
Fan 1,na,RPM,na,na,500.000,na,na,na,na
PSU, left,0x1,discrete,0x0180,na,na,na,na,na,na
Unable to read sensor 7
`
  t.deepEqual(parseSensors(text), [
    {
      ...{ name: 'CPU Temp', unit: 'degrees C', status: 'ok', reading: 45 },
      ...{ lowerCritical: 2, upperCritical: 90 },
    },
    { name: 'Fan 1', unit: 'RPM', status: 'na', lowerCritical: 500 },
    { name: 'PSU, left', unit: 'discrete', status: '0x0180' },
  ])
})

test('units have their fields, absent ones none; serial numbers are those of the machine', (t) => {
  const units = parseFieldUnits(FRU)
  t.deepEqual(
    units.map(({ name, fields }) => [name, fields.length]),
    [
      ['Builtin FRU Device', 5],
      ['PSU 1', 0],
    ],
  )
  t.deepEqual(units[0]?.fields[0], { name: 'Board Mfg Date', value: 'Mon Jan 1 00:00:00 1996 UTC' })
  t.deepEqual(readSerials(units), ['ch0', 'b-77'])
  t.deepEqual(readHardware(CONTROLLER, units), {
    ...{ manufacturer: 'Purlin', product: 'SimChassis', controllerFirmware: '9.08' },
  })
  t.is(readHardware(CONTROLLER, []).manufacturer, 'MontaVista Software, Inc.')
  t.is(readHardware(CONTROLLER, []).product, undefined)
})

test('events have their time where the BMC had one; an empty log has none', (t) => {
  const columns = ['1', ' Pre-Init ', '0000064286', 'Temperature CPU Temp']
  const happened = ['Upper Critical going high', 'Asserted', 'Reading 80 > Threshold 85 degrees C']
  const text = `${[...columns, ...happened].join(',')}
a2,11/22/26,05:01:02 UTC,Fan Fan 1,Lower Critical going low ,Asserted
b,02/31/26,05:01:02,Fan,x,
SEL has no entries
`
  t.deepEqual(parseEvents(text), [
    {
      ...{ id: '1', sensor: 'Temperature CPU Temp' },
      text: 'Upper Critical going high, Asserted, Reading 80 > Threshold 85 degrees C',
    },
    {
      ...{ id: 'a2', atMs: Date.UTC(2026, 10, 22, 5, 1, 2), sensor: 'Fan Fan 1' },
      text: 'Lower Critical going low , Asserted',
    },
    { id: 'b', sensor: 'Fan', text: 'x' },
  ])
  t.deepEqual(parseEvents('SEL has no entries\n'), [])
})

/** Lines that look like answers, with whatever a BMC may put into them. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 400 }),
      fc
        .array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 14 })
        .map((columns) => columns.join(',')),
      fc.string({ maxLength: 30 }).map((text) => `FRU Device Description : ${text} (ID 1)`),
      fc
        .tuple(fc.string(), fc.string({ unit: 'binary', maxLength: 600 }))
        .map((p) => ` ${p[0]} : ${p[1]}`),
    ),
    { maxLength: 40 },
  )
  .map((lines) => lines.join('\n'))

const CONTROL = /[\p{Cc}\p{Cf}]/u

test('whatever a BMC says is read without a fault, into bounded texts without control signs', (t) => {
  const check = (text: string): boolean => {
    const shown = [
      ...parseSensors(text).flatMap(({ name, unit, status }) => [name, unit, status]),
      ...parseFieldUnits(text).flatMap(({ name, fields }) => [
        name,
        ...fields.flatMap((field) => [field.name, field.value]),
      ]),
      ...parseEvents(text).flatMap(({ id, sensor, text: words }) => [id, sensor, words]),
      ...Object.values(readHardware(text, parseFieldUnits(text))).map(String),
    ]
    parsePowerState(text)
    readBootFlags(parseRawBytes(text, 16) ?? [])
    return shown.every((one) => one.length <= TEXT_CHARACTERS_MAX && !CONTROL.test(one))
  }
  fc.assert(fc.property(hostile, check))
  t.pass()
})

test('an endless answer becomes a bounded one', (t) => {
  t.is(parseSensors('a,1,V,ok,na,na,na,na,na,na\n'.repeat(5_000)).length, 512)
  t.is(parseEvents('1,x,x,s,e\n'.repeat(5_000)).length, EVENTS_MAX)
  t.is(parseFieldUnits('FRU Device Description : a (ID 1)\n'.repeat(500)).length, 64)
  const fields = parseFieldUnits(`FRU Device Description : a (ID 1)\n${' b : c\n'.repeat(999)}`)
  t.is(fields[0]?.fields.length, 256)
  t.is(parseRawBytes('00 '.repeat(100_000), 16), undefined)
})
