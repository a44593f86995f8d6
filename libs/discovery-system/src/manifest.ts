import type { DriverSet } from './modules.ts'

/** A file of the built system. */
export interface ManifestFile {
  readonly name: string
  readonly sizeBytes: number
  /** 64 hexadecimal digits. */
  readonly sha256: string
}

/** A Debian package that the system was built of. */
export interface ManifestPackage {
  readonly name: string
  readonly version: string
  /** Of the package's own file. */
  readonly sizeBytes: number
  readonly sha256: string
}

/** What `manifest.json` beside kernel and initial file system says. */
export interface DiscoveryManifest {
  readonly version: 1
  readonly architecture: 'x86_64'
  readonly drivers: DriverSet
  /** As `uname -r` says it. */
  readonly kernelVersion: string
  readonly kernel: ManifestFile
  readonly initrd: ManifestFile
  readonly modules: number
  /** Packages that would add firmware and that the machine's package sources do not have. */
  readonly missingFirmware: readonly string[]
  readonly packages: readonly ManifestPackage[]
}
