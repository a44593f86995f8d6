export { type Codec, type CodecOptions, createCodec } from './codec.ts'
