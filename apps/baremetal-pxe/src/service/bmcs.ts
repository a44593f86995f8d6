import { isDeepStrictEqual } from 'node:util'
import { type Clock, PurlinError, type Run, toPurlinError } from '@purlin/base'
import { type Bmc, type BmcTarget, createCommandPool, openBmc } from '@purlin/bmc'
import type { Manifest } from '@purlin/schema'
import type { Catalogue } from '@purlin/service'
import { passwordOf } from '../secrets/file-contents.ts'
import type { FileTexts, ManifestFiles } from '../secrets/manifest-files.ts'

type Chassis = Extract<Manifest, { kind: 'Chassis' }>

export interface BmcGrounds {
  readonly clock: Clock
  readonly run: Run
  readonly catalogue: () => Catalogue
  readonly files: Pick<ManifestFiles, 'read'>
  /** For password files: memory, and this user's alone. */
  readonly folder: string
  readonly leastGapMs: number | undefined
  readonly commandTimeoutMs: number
}

/** The BMCs of all chassis: each is opened once and shared, so that its queue is one. */
export class Bmcs {
  readonly #grounds: BmcGrounds
  readonly #pool = createCommandPool()
  readonly #opened = new Map<string, { readonly target: BmcTarget; readonly bmc: Bmc }>()

  constructor(grounds: BmcGrounds) {
    this.#grounds = grounds
  }

  /** The BMC of a chassis, by its document as it stands. Errors: PUR_RESOURCE_MISSING,
   *  PUR_SECRET_MISSING, PUR_INVALID. */
  async of(name: string): Promise<Bmc> {
    const target = await this.#targetOf(name)
    const before = this.#opened.get(name)
    if (before !== undefined && isDeepStrictEqual(before.target, target)) return before.bmc
    const { clock, run } = this.#grounds
    const bmc = openBmc({ target, pool: this.#pool, clock, run })
    this.#opened.set(name, { target, bmc })
    await before?.bmc.close()
    return bmc
  }

  /** Why an account cannot be carried by a chassis' protocol; undefined where it can. */
  accountProblem(
    chassis: Chassis,
    account: { readonly username: string; readonly password: string },
  ): string | undefined {
    try {
      const target = targetOf(chassis, account, '', this.#grounds)
      void openBmc({ target, pool: this.#pool }).close()
      return undefined
    } catch (thrown) {
      const error = toPurlinError(thrown)
      if (error.code !== 'PUR_INVALID') throw thrown
      return error.message
    }
  }

  /** Closes the BMCs of chassis that are gone. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    for (const [name, { bmc }] of this.#opened) {
      if (names.has(name)) continue
      this.#opened.delete(name)
      await bmc.close()
    }
  }

  async close(): Promise<void> {
    await this.keepOnly(new Set())
  }

  async #targetOf(name: string): Promise<BmcTarget> {
    const { catalogue, files } = this.#grounds
    const chassis = catalogue().get('Chassis', name)?.manifest
    if (chassis === undefined) {
      throw new PurlinError('PUR_RESOURCE_MISSING', { message: `no Chassis named ${name}` })
    }
    const secret = catalogue().get('Secret', chassis.spec.bmc.secret)?.manifest
    if (secret === undefined) {
      const message = `Chassis ${name}: no Secret named ${chassis.spec.bmc.secret}`
      throw new PurlinError('PUR_RESOURCE_MISSING', { message })
    }
    const password = passwordOf((await files.read(secret)).get(secret.spec.passwordFile) ?? '')
    const account = { username: secret.spec.username ?? '', password }
    return targetOf(
      chassis,
      account,
      authorityOf(chassis, await files.read(chassis)),
      this.#grounds,
    )
  }
}

function authorityOf({ spec }: Chassis, texts: FileTexts): string {
  const file = spec.bmc.certificateAuthority
  return file === undefined ? '' : (texts.get(file) ?? '')
}

function targetOf(
  { name, spec }: Chassis,
  account: { readonly username: string; readonly password: string },
  certificates: string,
  {
    folder,
    leastGapMs,
    commandTimeoutMs,
  }: Pick<BmcGrounds, 'folder' | 'leastGapMs' | 'commandTimeoutMs'>,
): BmcTarget {
  const { address, port, protocol, certificateSha256, plainHttp, systemId } = spec.bmc
  const common = {
    ...{ name, address, ...account, commandTimeoutMs },
    ...(port !== undefined && { port }),
    ...(leastGapMs !== undefined && { leastGapMs }),
  }
  if (protocol === 'ipmi') return { ...common, protocol, folder }
  const trust =
    certificateSha256 !== undefined
      ? ({ by: 'pin', sha256: certificateSha256 } as const)
      : plainHttp === true
        ? ({ by: 'none' } as const)
        : ({ by: 'authority', certificates } as const)
  return { ...common, protocol, trust, ...(systemId !== undefined && { systemId }) }
}
