import {
  reflinkOnBtrfs,
  reflinkOnDevice,
  reflinkOnOwnBtrfs,
  reflinkOnOwnXfs,
} from "../../../test/contract/storage/factories.ts";
import { storageContract } from "../../../test/contract/storage.ts";

storageContract("reflink on btrfs", reflinkOnBtrfs);
storageContract("reflink on an XFS of its own", reflinkOnOwnXfs);
storageContract("reflink on a btrfs of its own", reflinkOnOwnBtrfs);
storageContract("reflink on a block device", reflinkOnDevice);
