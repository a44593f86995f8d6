import { stat, truncate } from 'node:fs/promises'
import {
  filesOf,
  makeFolder,
  readFiles,
  readText,
  removeAll,
  writeWhole,
} from '../services/folder.ts'
import { type ProcessIdentity, readIdentity, signalProcess } from '../services/process.ts'
import { addressesOfReservation } from '../services/reservation.ts'
import type { ServiceDesired } from '../services/service.ts'
import type { ExecuteContext } from './context.ts'
import { releaseLeases } from './release.ts'

/** dnsmasq says a few lines at every change; its log is emptied when it has grown to this. */
const LOG_LIMIT_BYTES = 1024 * 1024

/** Brings dnsmasq's reservations and names to what is wanted, while it runs and without a lost
 *  answer.
 *
 *  A new file is noticed by dnsmasq's own watch of the folder. A changed or removed one needs
 *  SIGHUP, which it handles between two packets. A removed machine's lease would keep its
 *  address and its name until it ends, and refuse the address to the next machine; so it is
 *  released as its client would. What is owed is written down first: a crash at any point is
 *  made good by the next run. Errors: PUR_DHCP_FAILED. */
export async function reserve(
  context: ExecuteContext,
  service: ServiceDesired,
  holder: ProcessIdentity,
  folder: string,
): Promise<void> {
  const files = filesOf(folder)
  for (const needed of [files.reservations, files.names]) await makeFolder(needed)
  const [found, foundNames, owedBefore] = await Promise.all([
    readFiles(files.reservations),
    readFiles(files.names),
    readText(files.owed),
  ])
  const kept = claimsOf(service.reservations)
  const owed = [...claimsOf(found), ...claimsOwed(owedBefore)].filter((claim) => !kept.has(claim))
  const removed = [...found.keys()].filter((name) => !service.reservations.has(name))
  const changed = [...service.reservations].filter(
    ([name, text]) => found.has(name) && found.get(name) !== text,
  )
  const added = [...service.reservations].filter(([name]) => !found.has(name))
  const settling = owedBefore !== undefined || removed.length + changed.length > 0

  if (settling) await writeWhole(folder, 'owed.json', JSON.stringify(owed))
  for (const name of removed) await removeAll(`${files.reservations}/${name}`)
  for (const [name, text] of changed) await writeWhole(files.reservations, name, text)
  await writeNames(files.names, foundNames, service.names)
  if (settling) {
    const dnsmasq = await readIdentity(files.dnsmasq)
    if (dnsmasq !== undefined && signalProcess(dnsmasq, 'SIGHUP')) {
      await releaseLeases(context, service, holder, files.leases, owed)
    }
  }
  for (const [name, text] of added) await writeWhole(files.reservations, name, text)
  if (settling) await removeAll(files.owed)
  if (((await stat(files.log).catch(() => undefined))?.size ?? 0) > LOG_LIMIT_BYTES) {
    await truncate(files.log)
  }
}

/** Who may have which address: `MAC ADDRESS`, the MAC without colons as in the files' names. */
function claimsOf(reservations: ReadonlyMap<string, string>): ReadonlySet<string> {
  return new Set(
    [...reservations].flatMap(([name, text]) =>
      addressesOfReservation(text).map((address) => `${name} ${address}`),
    ),
  )
}

function claimsOwed(text: string | undefined): readonly string[] {
  if (text === undefined) return []
  try {
    const claims: unknown = JSON.parse(text)
    return Array.isArray(claims) ? claims.map(String) : []
  } catch {
    return []
  }
}

async function writeNames(
  folder: string,
  found: ReadonlyMap<string, string>,
  wanted: ReadonlyMap<string, string>,
): Promise<void> {
  for (const name of found.keys()) if (!wanted.has(name)) await removeAll(`${folder}/${name}`)
  for (const [name, text] of wanted) {
    if (found.get(name) !== text) await writeWhole(folder, name, text)
  }
}
