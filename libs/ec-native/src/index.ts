export { crc32c } from './checksum.ts'
export {
  type Codec,
  type CodecOptions,
  createCodec,
  type MaybeShard,
  type ReconstructOptions,
  type Store,
} from './codec.ts'
export type { DecodePlan } from './decode-plan.ts'
export { type DecodedFileResult, type DecodeFileOptions, decodeFiles } from './file/decode-file.ts'
export {
  DEFAULT_FILE_SHARD_BYTES,
  type EncodedFileResult,
  type EncodeFileOptions,
  encodeFile,
  type FileProgress,
  type FileWork,
} from './file/encode-file.ts'
export { type EncodedFile, SHARD_BYTES_MAX } from './file/header.ts'
export { readShardFileName, shardFileName } from './file/layout.ts'
export type { StripeFault } from './file/read-stripe.ts'
export { type RepairResult, repairFiles } from './file/repair-files.ts'
export type { FileNote } from './file/shard-files.ts'
export { nameOfShards } from './file/shard-paths.ts'
export { type ShardReport, type VerifyReport, verifyFiles } from './file/verify-files.ts'
export {
  type FoldedGeometry,
  foldedGeometry,
  referencePolicies,
  spreadShards,
  survives,
} from './folding.ts'
export type { AsyncOptions } from './perform.ts'
export { type Shape, shapeText, type Technique, techniques } from './shape.ts'
export {
  type DecodeReport,
  DecodeStream,
  type DecodeStreamOptions,
  type StripeDamage,
} from './stream/decode-stream.ts'
export {
  DEFAULT_SHARD_BYTES,
  EncodeStream,
  type EncodeStreamOptions,
} from './stream/encode-stream.ts'
export { FRAME_HEAD_BYTES, type FrameHead, readFrameHead } from './stream/frame.ts'
export type { PartialWrite, WriteMethod, WritePlan } from './write-method.ts'
