import type { FieldUnit, Hardware } from '../bmc.ts'
import { foreignLines, foreignText } from '../foreign-text.ts'
import { isSerial } from '../identity.ts'

/** Hardware as `ipmitool mc info` and the units say; the board's maker before the controller's. */
export function readHardware(controller: string, units: readonly FieldUnit[]): Hardware {
  const lines = foreignLines(controller, 100)
  const told = (name: string): string | undefined => {
    const line = lines.find((one) => one.startsWith(name))
    const value = foreignText(line?.slice(name.length).replace(/^\s*:/, '') ?? '')
    return value === '' || value.startsWith('Unknown') ? undefined : value
  }
  const manufacturer = fieldOf(units, 'Product Manufacturer') ?? fieldOf(units, 'Board Mfg')
  const product = fieldOf(units, 'Product Name') ?? fieldOf(units, 'Board Product')
  return {
    ...present('manufacturer', manufacturer ?? told('Manufacturer Name')),
    ...present('product', product ?? told('Product Name')),
    ...present('controllerFirmware', told('Firmware Revision')),
  }
}

/** The serial numbers of the units that stand for the whole machine. */
export function readSerials(units: readonly FieldUnit[]): readonly string[] {
  const names = ['Product Serial', 'Chassis Serial', 'Board Serial']
  const serials = names.flatMap((name) => fieldOf(units.slice(0, 1), name) ?? [])
  return [...new Set(serials.filter(isSerial))]
}

function fieldOf(units: readonly FieldUnit[], name: string): string | undefined {
  return units.flatMap(({ fields }) => fields).find((field) => field.name === name)?.value
}

function present<Name extends string>(
  name: Name,
  value: string | undefined,
): Partial<Record<Name, string>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, string>)
}
