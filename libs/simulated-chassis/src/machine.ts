import { join } from 'node:path'
import type { ChassisOptions, DiskOptions } from './options.ts'

const BIOS_CODE = '/usr/share/OVMF/OVMF_CODE_4M.fd'
/** The UEFI variables a board leaves the factory with. */
export const FACTORY_VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'

/** QEMU's arguments for one start of the chassis; the BMC simulator listens at `inBandPort` for the
 *  machine's KCS. Pure.
 *
 *  One TCG thread on purpose: with several, a guest that patches its own code was seen to panic. A
 *  restart ends QEMU, because only at its start can the order of boot devices be another. */
export function machineArguments(
  options: ChassisOptions,
  inBandPort: number,
  networkFirst: boolean,
): readonly string[] {
  const { folder, firmware } = options
  const bios = firmware === 'bios'
  return [
    ...['-name', options.name, '-nodefaults', '-no-user-config', '-display', 'none'],
    // Without graphics SeaBIOS speaks on the serial console, which is the one that is recorded.
    ...['-machine', `q35${bios ? ',graphics=off' : ''}`, '-vga', bios ? 'none' : 'std'],
    ...['-accel', 'tcg,thread=single,tb-size=256', '-cpu', 'max', '-smp', '1'],
    ...['-m', `${options.memoryMiB}`, '-action', 'reboot=shutdown'],
    ...['-uuid', options.uuid, '-smbios', smbios(options)],
    ...(options.clock === undefined ? [] : ['-rtc', `base=${options.clock}`]),
    ...['-chardev', `socket,id=monitor,path=${monitorSocket(folder)}`],
    ...['-mon', 'chardev=monitor,mode=control', '-device', 'virtio-rng-pci'],
    ...['-chardev', `socket,id=serial,path=${serialSocket(folder)}`, '-serial', 'chardev:serial'],
    ...['-chardev', `socket,id=bmc,host=127.0.0.1,port=${inBandPort},reconnect=1`],
    ...['-device', 'ipmi-bmc-extern,id=bmc0,chardev=bmc', '-device', 'isa-ipmi-kcs,bmc=bmc0'],
    ...(bios ? [] : flash(folder)),
    ...nicArguments(options, networkFirst),
    ...diskArguments(options, networkFirst),
  ]
}

function smbios({ serial, uuid }: ChassisOptions): string {
  return `type=1,manufacturer=Purlin,product=SimChassis,serial=${word(serial)},uuid=${uuid}`
}

/** A text inside an option of QEMU, which takes a comma for the end of it. */
function word(text: string): string {
  return text.replaceAll(',', ',,')
}

function flash(folder: string): readonly string[] {
  return [
    ...['-drive', `if=pflash,format=raw,readonly=on,file=${BIOS_CODE}`],
    ...['-drive', `if=pflash,format=raw,file=${variablesOf(folder)}`],
  ]
}

function nicArguments(options: ChassisOptions, networkFirst: boolean): readonly string[] {
  // Without an option ROM, UEFI's own network stack asks; SeaBIOS has none of its own.
  const rom = options.loader === 'firmware' && options.firmware === 'uefi' ? ',romfile=' : ''
  return options.nics.flatMap(({ tap, mac }, index) => {
    const order = (networkFirst ? 1 : 100) + index
    return [
      ...['-netdev', `tap,id=net${index},ifname=${tap},script=no,downscript=no`],
      ...['-device', `virtio-net-pci,netdev=net${index},mac=${mac}${rom},bootindex=${order}`],
    ]
  })
}

function diskArguments(options: ChassisOptions, networkFirst: boolean): readonly string[] {
  const { folder, disks } = options
  const scsi = disks.some(isScsi) ? ['-device', 'virtio-scsi-pci,id=scsi'] : []
  const each = disks.flatMap((disk, index) => {
    const order = (networkFirst ? 100 : 1) + index
    const drive = `if=none,id=disk${index},file=${diskFile(folder, index)},format=qcow2`
    return [
      ...['-drive', `${drive},cache=unsafe,discard=unmap`],
      ...['-device', `${diskDevice(disk)},drive=disk${index},bootindex=${order}`],
    ]
  })
  return [...scsi, ...each]
}

const VIRTIO_SERIAL_CHARACTERS = 20

/** A virtio disk has neither a WWN nor a rotation rate, and a short serial number. */
function isScsi({ wwn, media, serial }: DiskOptions): boolean {
  return wwn !== undefined || media !== undefined || serial.length > VIRTIO_SERIAL_CHARACTERS
}

function diskDevice(disk: DiskOptions): string {
  if (!isScsi(disk)) return `virtio-blk-pci,serial=${word(disk.serial)}`
  const rate = disk.media === 'hdd' ? 7_200 : 1
  const wwn = disk.wwn === undefined ? '' : `,wwn=${disk.wwn}`
  return `scsi-hd,bus=scsi.0,serial=${word(disk.serial)},rotation_rate=${rate}${wwn}`
}

/** Where this process listens for the machine's monitor (QMP). */
export function monitorSocket(folder: string): string {
  return join(folder, 'monitor.sock')
}

/** Where this process listens for the machine's serial console. */
export function serialSocket(folder: string): string {
  return join(folder, 'serial.sock')
}

/** The file of the disk at `index`. */
export function diskFile(folder: string, index: number): string {
  return join(folder, `disk${index}.qcow2`)
}

/** The file of a UEFI machine's variables. */
export function variablesOf(folder: string): string {
  return join(folder, 'variables.fd')
}
