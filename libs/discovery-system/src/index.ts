export { buildDiscoverySystem, type DiscoverySystemRequest } from './build.ts'
export { type ArchiveEntry, cpioArchive } from './cpio.ts'
export type { DiscoveryManifest, ManifestFile, ManifestPackage } from './manifest.ts'
export type { DriverSet } from './modules.ts'
