export {
  type DecodedSuperblock,
  decodeSuperblock,
  encodeSuperblock,
  type SuperblockFields,
} from './superblock.ts'
