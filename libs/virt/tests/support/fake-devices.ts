/** What libvirt does to the XML of a domain that starts: its devices have names, its slots
 *  numbers. */
export function started(xml: string): string {
  let slot = 0
  const numbered = xml.replaceAll('model="pcie-root-port"', () => {
    slot += 1
    return `model="pcie-root-port" index="${slot}"`
  })
  const memory = numbered.replace(/<\/requested>/, '</requested><current unit="MiB">0</current>')
  return ['disk', 'interface', 'memory'].reduce(named, memory)
}

/** The XML of a running domain with one device more. */
export function withDevice(xml: string, device: string): string {
  return ['disk', 'interface'].reduce(named, xml.replace('</devices>', `${device}</devices>`))
}

/** The XML of a running domain without the device of that name. */
export function withoutDevice(xml: string, alias: string): string {
  return xml.replaceAll(/<(disk|interface)[ >][\s\S]*?<\/\1>/g, (device) =>
    device.includes(`<alias name="${alias}"/>`) ? '' : device,
  )
}

/** The XML of a running domain whose memory device is another. */
export function withMemory(xml: string, device: string): string {
  const requested = /<requested[\s\S]*?<\/requested>/.exec(device)?.[0] ?? ''
  const current = requested.replaceAll('requested', 'current')
  return xml
    .replace(/<requested[\s\S]*?<\/requested>/, requested)
    .replace(/<current [\s\S]*?<\/current>/, current)
}

/** The XML of a domain with other metadata of Purlin. */
export function withMark(xml: string, mark: string): string {
  const element = mark
    .replaceAll('<nic', '<purlin:nic')
    .replace('<machine', '<purlin:machine xmlns:purlin="urn:purlin:1"')
    .replace('</machine>', '</purlin:machine>')
  return xml.replace(/<metadata>[\s\S]*<\/metadata>/, `<metadata>${element}</metadata>`)
}

function named(xml: string, element: string): string {
  const names = new Set([...xml.matchAll(/<alias name="([^"]+)"/g)].map(([, name]) => name))
  const pattern = new RegExp(`<${element}[ >][\\s\\S]*?</${element}>`, 'g')
  return xml.replaceAll(pattern, (device) => {
    if (device.includes('<alias ') || !device.includes('<target')) return device
    let index = 0
    while (names.has(`${element}${index}`)) index += 1
    names.add(`${element}${index}`)
    return device.replace(`</${element}>`, `<alias name="${element}${index}"/></${element}>`)
  })
}
