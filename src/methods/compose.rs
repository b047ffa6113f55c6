//! A method out of parts: each role from another row. What may stand together follows from what the parts say of
//! themselves ([`Row::roles`], [`Row::whole`], [`Select::needs`], [`Schedule::needs`](crate::method::Schedule::needs),
//! [`Retain::heads`], [`Retain::positions`]), with the parameters they are given; nothing here knows a method by its name.

use super::{ParamKind, Params, Part, REGISTRY, Role, Roles, Row, Shape, Spec, Value, find};
use crate::{
    Error, Result,
    method::{Heads, KeepAll, LayerCx, Method, Needs, PassKind, Plain, Positions, ReadAll, Select, Site},
    ops::{Mass, Read, Scores},
};
use std::any::Any;

impl Part {
    /// The row with its parameters, in all its roles.
    ///
    /// # Errors
    /// As [`build`](super::build).
    pub fn build(&self, shape: &Shape) -> Result<Method> {
        let given: Vec<_> = self.params.clone().into_iter().collect();
        let row = find(&self.name)?;
        (row.build)(&Params::check(row, &given, shape)?, shape)
    }
}

impl Spec {
    /// A row as it is.
    #[must_use]
    pub fn method(name: &str, params: &[(String, Value)]) -> Spec {
        Spec::Method(Part::new(name, params))
    }

    /// The method, ready to run.
    ///
    /// # Errors
    /// As [`build`](super::build), and [`Error::Combination`] for roles that do not fit together.
    pub fn build(&self, shape: &Shape) -> Result<Method> {
        match self {
            Spec::Method(part) => part.build(shape),
            Spec::Roles(roles) => roles.build(shape),
        }
    }
}

impl Roles {
    fn refuse<T>(&self, why: String) -> Result<T> {
        let what = if *self == Roles::default() { "no roles".to_owned() } else { self.to_string() };
        Err(Error::Combination { what, why })
    }

    fn build(&self, shape: &Shape) -> Result<Method> {
        let roles = self.complete()?;
        let (mut method, mut prompt) = (Method::full(), None);
        for role in Role::ALL {
            let Some(part) = roles.get(role) else { continue };
            let built = roles.fill(role, part, shape)?;
            // A parameter that asks for more than the named role must not be lost in silence.
            for other in [Role::Retain, Role::Schedule] {
                if other != role && roles.get(other).is_none() && fills(&built, other) {
                    return self.refuse(format!(
                        "{} with these parameters has a {} role too; give that role, and what only it needs, a part of its \
                         own",
                        part.name,
                        other.name()
                    ));
                }
            }
            match role {
                Role::Prefill => prompt = Some(built.select),
                Role::Select => method.select = built.select,
                Role::Retain => method.retain = built.retain,
                Role::Schedule => method.schedule = built.schedule,
            }
        }
        if let Some(prompt) = &prompt {
            roles.check(Role::Prefill, prompt.needs(), &method)?;
        }
        roles.check(Role::Select, method.select.needs(), &method)?;
        roles.check(Role::Schedule, method.schedule.needs(), &method)?;
        if let Some(prompt) = prompt {
            method.select = Box::new(ByPass { prompt, other: method.select });
        }
        Ok(method)
    }

    /// A row that is whole fills all its roles wherever it is named.
    fn complete(&self) -> Result<Roles> {
        let mut roles = self.clone();
        if roles == Roles::default() {
            return self.refuse("name a method for at least one role".to_owned());
        }
        for part in Role::ALL.iter().filter_map(|role| self.get(*role)) {
            let row = find(&part.name)?;
            for &role in row.roles.iter().filter(|_| row.whole) {
                let slot = roles.get_mut(role);
                match slot {
                    None => *slot = Some(part.clone()),
                    Some(other) if other == part => {}
                    Some(other) if other.name == part.name => {
                        return self.refuse(format!("{} is one method and is given two sets of parameters", part.name));
                    }
                    Some(other) => {
                        let (name, role, other) = (&part.name, role.name(), &other.name);
                        return self.refuse(format!(
                            "the roles of {name} work only together, so {other} cannot {role} for it"
                        ));
                    }
                }
            }
        }
        Ok(roles)
    }

    /// A part, built, that must fill `role`.
    fn fill(&self, role: Role, part: &Part, shape: &Shape) -> Result<Method> {
        let row = find(&part.name)?;
        if !row.roles.contains(&role) {
            let others: Vec<_> = REGISTRY.iter().filter(|row| row.roles.contains(&role)).map(|row| row.name).collect();
            return self.refuse(format!(
                "{} has no {} role; those that have: {}",
                row.name,
                role.name(),
                others.join(", ")
            ));
        }
        let built = part.build(shape)?;
        if !fills(&built, role) {
            return self.refuse(format!("{} with these parameters has no {} role", row.name, role.name()));
        }
        Ok(built)
    }

    /// Refuses a retain role that takes away what `role` needs.
    fn check(&self, role: Role, needs: Needs, method: &Method) -> Result<()> {
        let (reads, heads) = (role.name(), method.retain.heads());
        if heads < needs.heads {
            let want = if needs.heads == Heads::Alike { "the same tokens" } else { "as many tokens as the others" };
            let got = if heads == Heads::Even { "tokens" } else { "a number of tokens" };
            return self.refuse(format!(
                "{reads}, with these parameters, wants every KV head of a layer to hold {want}; retain gives each {got} \
                 of its own"
            ));
        }
        let retain: &dyn Any = &*method.retain;
        if needs.everything && !retain.is::<KeepAll>() {
            return self.refuse(format!("{reads}, with these parameters, wants everything kept; retain drops tokens"));
        }
        if needs.rotated_keys && method.retain.positions() == Positions::Slot {
            return self.refuse(format!(
                "{reads} takes keys as they are stored, rotated by their place in the text; retain, with these \
                 parameters, has them stored unrotated and rotated by their slot at every read"
            ));
        }
        Ok(())
    }
}

/// Whether a method has something else than the default in a role.
fn fills(method: &Method, role: Role) -> bool {
    let part: &dyn Any = match role {
        Role::Prefill | Role::Select => &*method.select,
        Role::Retain => &*method.retain,
        Role::Schedule => &*method.schedule,
    };
    !(part.is::<ReadAll>() || part.is::<KeepAll>() || part.is::<Plain>())
}

/// Every row that fills a role, with its defaults and with each other word of a choice and each switch turned: what
/// lists and tests combine.
#[must_use]
pub fn choices(role: Role, shape: &Shape) -> Vec<Part> {
    let of_row = |row: &'static Row| {
        let turned = row.params.iter().flat_map(|p| {
            let others = match p.kind {
                ParamKind::Choice { of } => of[1..].iter().map(|word| Value::Word((*word).to_owned())).collect(),
                ParamKind::Flag { default } => vec![Value::Flag(!default)],
                _ => Vec::new(),
            };
            others.into_iter().map(|value| vec![(p.name.to_owned(), value)])
        });
        std::iter::once(Vec::new()).chain(turned).map(|given| Part::new(row.name, &given))
    };
    let fills = |part: &Part| part.build(shape).is_ok_and(|method| fills(&method, role));
    REGISTRY.iter().filter(|row| row.roles.contains(&role)).flat_map(of_row).filter(fills).collect()
}

/// A select role for prompts and one for all other passes.
struct ByPass {
    prompt: Box<dyn Select>,
    other: Box<dyn Select>,
}

impl ByPass {
    fn at(&mut self, site: &Site) -> &mut dyn Select {
        if site.kind == PassKind::Prefill { &mut *self.prompt } else { &mut *self.other }
    }
}

impl Select for ByPass {
    fn pages(&self, layer: u32, live: u32) -> Option<[u32; 2]> {
        self.other.pages(layer, live).or(self.prompt.pages(layer, live))
    }
    fn wants(&self, at: &Site) -> Option<Mass> {
        if at.kind == PassKind::Prefill { self.prompt.wants(at) } else { self.other.wants(at) }
    }
    fn read(&mut self, cx: &mut LayerCx) -> Result<Read> {
        self.at(&cx.site).read(cx)
    }
    fn learn(&mut self, cx: &mut LayerCx, mass: Scores) -> Result<()> {
        self.at(&cx.site).learn(cx, mass)
    }
}
