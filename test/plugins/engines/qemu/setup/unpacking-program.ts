/** Fetches and unpacks Debian's busybox, as whoever runs it: FOLDER. */
import { Debian } from '../../../../../plugins/engines/qemu/setup/debian.ts';

const say = (sentence: string): void => console.log(sentence);
const { name, version } = await Debian.within(process.argv[2]!, say, (debian) => debian.unpack('busybox-static'));
console.log(name, version);
