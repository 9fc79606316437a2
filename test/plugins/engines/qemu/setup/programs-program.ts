/** Sets the programs up, on the machine that a test puts together: FOLDER. */
import { Debian } from '../../../../../plugins/engines/qemu/setup/debian.ts';
import { setUpPrograms } from '../../../../../plugins/engines/qemu/setup/programs.ts';

const say = (sentence: string): void => console.log(sentence);
await Debian.within(process.argv[2]!, say, (debian) => setUpPrograms({ debian, say })).catch((error: Error) => {
  console.log(String(error));
  process.exitCode = 1;
});
