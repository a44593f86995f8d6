export * from './desk.ts'
export * from './notice.ts'
export * from './open.ts'
export type { ForeignServer } from './rogue/foreign-server.ts'
export { serverAddressOf } from './server-address.ts'
export type {
  BootHost,
  BootService,
  BootServiceOptions,
  BootStatus,
} from './service.ts'
export { newToken, nodeUrl, tokenSha256 } from './token.ts'
