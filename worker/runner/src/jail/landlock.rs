//! Landlock: which files, whatever the mounts say. In tier B this is the wall in front of the host's files.
//!
//! Everything the kernel's ABI can deny is denied, as a hard requirement: the crate's default would degrade in silence.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use wire::control::Refusal;

use super::filesystem::{ReadOnly, WorkFolder};
use super::{because, refusal};
use crate::kernel;

/// ABI 2 (Linux 5.19) is the first that covers moving files between folders.
const ABI_MIN: i32 = 2;
const FIX: &str =
    "use Linux 5.19 or newer with landlock in CONFIG_LSM, and a container profile that allows landlock_*";

/// What a cell may read, opened once in the zygote.
#[derive(Debug)]
pub struct Rules {
    abi_number: i32,
    visible: Vec<(PathFd, BitFlags<AccessFs>)>,
}

impl Rules {
    /// Asks the kernel once.
    pub fn probe(visible: &ReadOnly) -> Result<Self, Refusal> {
        let abi_number = kernel::landlock_abi();
        if abi_number < ABI_MIN {
            return Err(refusal(
                "landlock",
                &format!("the kernel offers ABI {abi_number}, {ABI_MIN} is needed"),
                FIX,
            ));
        }
        let folders = visible.folders.iter().map(|path| (path, AccessFs::ReadFile | AccessFs::ReadDir));
        let devices = visible.devices.iter().map(|path| (path, AccessFs::ReadFile | AccessFs::WriteFile));
        let opened = folders.chain(devices).map(|(path, access)| Ok((open(path)?, access)));
        Ok(Self { abi_number, visible: opened.collect::<Result<_, Refusal>>()? })
    }

    /// The kernel's.
    pub fn abi(&self) -> i32 {
        self.abi_number
    }

    /// For the calling process and for good.
    pub fn enforce(&self, work: &WorkFolder) -> Result<(), Refusal> {
        let abi = ABI::from(self.abi_number);
        let all = AccessFs::from_all(abi);
        let failed = because::<landlock::RulesetError>("landlock", FIX);
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(all)
            .map_err(&failed)?;
        if self.abi_number >= 4 {
            rules = rules.handle_access(AccessNet::from_all(abi)).map_err(&failed)?;
        }
        if self.abi_number >= 6 {
            rules = rules.scope(Scope::from_all(abi)).map_err(&failed)?;
        }
        let mut created = rules.create().map_err(&failed)?;
        let work = open(Path::new(&work.path_inside()))?;
        let work = (&work, private(abi));
        for (path, access) in self.visible.iter().map(|(path, access)| (path, *access)).chain([work]) {
            created = created.add_rule(PathBeneath::new(path, access)).map_err(&failed)?;
        }
        let status = created.restrict_self().map_err(&failed)?;
        match status.ruleset {
            RulesetStatus::FullyEnforced => Ok(()),
            other => Err(refusal("landlock", &format!("the ruleset is {other:?}"), FIX)),
        }
    }
}

/// In its own folder a cell may do what one does with files: no devices, sockets, pipes, programs.
fn private(abi: ABI) -> BitFlags<AccessFs> {
    AccessFs::from_all(abi)
        & !(AccessFs::Execute
            | AccessFs::MakeBlock
            | AccessFs::MakeChar
            | AccessFs::MakeFifo
            | AccessFs::MakeSock)
}

fn open(path: &Path) -> Result<PathFd, Refusal> {
    PathFd::new(path).map_err(because("landlock", "make the library readable for all users"))
}
