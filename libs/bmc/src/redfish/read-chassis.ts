import type { BmcEvent, FieldUnit, Sensor } from '../bmc.ts'
import { fieldOf, listOf, numberOf, textOf } from './resource.ts'

export const SENSORS_MAX = 512
export const EVENTS_MAX = 512

/** Lists of `Thermal` and `Power` (DSP2046): the list, its field of the reading, the unit. */
const LISTS = [
  ['Temperatures', 'ReadingCelsius', 'degrees C'],
  ['Fans', 'Reading', 'RPM'],
  ['Voltages', 'ReadingVolts', 'Volts'],
  ['PowerControl', 'PowerConsumedWatts', 'Watts'],
] as const

/** Sensors of a chassis' `Thermal` or `Power`. */
export function readSensors(resource: unknown): readonly Sensor[] {
  return LISTS.flatMap(([list, reading, unit]) =>
    listOf(fieldOf(resource, list), SENSORS_MAX).flatMap((one) =>
      sensorOf(one, numberOf(fieldOf(one, reading)), {
        unit: textOf(fieldOf(one, 'ReadingUnits')) ?? unit,
        lower: numberOf(fieldOf(one, 'LowerThresholdCritical')),
        upper: numberOf(fieldOf(one, 'UpperThresholdCritical')),
      }),
    ),
  ).slice(0, SENSORS_MAX)
}

/** A resource of the collection `Sensors`, which newer BMCs have instead. */
export function readSensor(resource: unknown): readonly Sensor[] {
  return sensorOf(resource, numberOf(fieldOf(resource, 'Reading')), {
    unit: textOf(fieldOf(resource, 'ReadingUnits')) ?? '',
    lower: numberOf(fieldOf(resource, 'Thresholds', 'LowerCritical', 'Reading')),
    upper: numberOf(fieldOf(resource, 'Thresholds', 'UpperCritical', 'Reading')),
  })
}

function sensorOf(
  resource: unknown,
  reading: number | undefined,
  told: {
    readonly unit: string
    readonly lower?: number | undefined
    readonly upper?: number | undefined
  },
): readonly Sensor[] {
  const name = textOf(fieldOf(resource, 'Name')) ?? textOf(fieldOf(resource, 'FanName'))
  if (name === undefined) return []
  return [
    {
      name,
      unit: told.unit,
      status: (textOf(fieldOf(resource, 'Status', 'Health')) ?? 'na').toLowerCase(),
      ...(reading !== undefined && { reading }),
      ...(told.lower !== undefined && { lowerCritical: told.lower }),
      ...(told.upper !== undefined && { upperCritical: told.upper }),
    },
  ]
}

const UNIT_FIELDS = ['Manufacturer', 'Model', 'SKU', 'PartNumber', 'SerialNumber', 'AssetTag']

/** A system or chassis as a unit that can be replaced. */
export function readFieldUnit(resource: unknown): readonly FieldUnit[] {
  const name = textOf(fieldOf(resource, 'Name')) ?? textOf(fieldOf(resource, 'Id'))
  const fields = UNIT_FIELDS.flatMap((field) => {
    const value = textOf(fieldOf(resource, field))
    return value === undefined ? [] : [{ name: field, value }]
  })
  return name === undefined || fields.length === 0 ? [] : [{ name, fields }]
}

/** Entries of a log, the oldest first; services list them either way. */
export function readEntries(collection: unknown): readonly BmcEvent[] {
  const entries = listOf(fieldOf(collection, 'Members'), 4 * EVENTS_MAX).flatMap((one) => {
    const id = textOf(fieldOf(one, 'Id'))
    if (id === undefined) return []
    const created = fieldOf(one, 'Created')
    const atMs = typeof created === 'string' ? Date.parse(created.slice(0, 40)) : Number.NaN
    const sensor = textOf(fieldOf(one, 'SensorType')) ?? textOf(fieldOf(one, 'Name')) ?? ''
    const text = textOf(fieldOf(one, 'Message')) ?? ''
    return [{ id, ...(!Number.isNaN(atMs) && { atMs }), sensor, text }]
  })
  return entries.toSorted((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0)).slice(-EVENTS_MAX)
}
