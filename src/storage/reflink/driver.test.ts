import { reflinkOnBtrfs, reflinkOnOwnXfs } from "../../../test/contract/storage/factories.ts";
import { storageContract } from "../../../test/contract/storage.ts";

storageContract("reflink on btrfs", reflinkOnBtrfs);
storageContract("reflink on an XFS of its own", reflinkOnOwnXfs);
