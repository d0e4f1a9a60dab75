"""Where a number comes from: its tier, its source, and the bibliography behind it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BIBLIOGRAPHY", "Published", "Source", "Tier", "bibtex"]


class Tier(StrEnum):
    """How sure a number is, the surest first."""

    MEASURED = "measured"
    ESTIMATED = "estimated"
    MODELLED = "modelled"
    PUBLISHED = "published"

    @staticmethod
    def weakest(tiers: "set[Tier]") -> "Tier | None":
        """Return the least sure of some tiers: a sum is as sure as its weakest part."""
        order = list(Tier)
        return max(tiers, key=order.index) if tiers else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A place where a number stands: a key of `BIBLIOGRAPHY` and the table, row or section."""

    key: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """A number that somebody else printed.

    Attributes:
        value: the printed number, in `unit`.
        unit: its unit, in words ("lb CO2e").
        source: where it stands.
        note: what a reader must know before comparing anything with it.
    """

    value: float
    unit: str
    source: Source
    note: str = ""


BIBLIOGRAPHY: dict[str, str] = {
    "alpaydin1998": """@misc{alpaydin1998,
  author = {Ethem Alpaydin and Cenk Kaynak},
  title  = {Optical Recognition of Handwritten Digits},
  year   = {1998},
  howpublished = {UCI Machine Learning Repository}
}""",
    "cai2020": """@inproceedings{cai2020,
  author    = {Han Cai and Chuang Gan and Tianzhe Wang and Zhekai Zhang and Song Han},
  title     = {Once-for-All: Train One Network and Specialize it for Efficient Deployment},
  booktitle = {International Conference on Learning Representations},
  year      = {2020},
  eprint    = {1908.09791},
  archivePrefix = {arXiv}
}""",
    "cloudcarbonfootprint": """@misc{cloudcarbonfootprint,
  author = {{Cloud Carbon Footprint contributors}},
  title  = {Coefficients for the energy use of cloud servers},
  url    = {https://github.com/cloud-carbon-footprint/cloud-carbon-coefficients}
}""",
    "codecarbon": """@software{codecarbon,
  author = {{CodeCarbon contributors}},
  title  = {CodeCarbon: estimate and track carbon emissions from machine learning computing},
  url    = {https://github.com/mlco2/codecarbon}
}""",
    "davy2021": """@misc{davy2021,
  author = {Benjamin Davy},
  title  = {Building an {AWS} {EC2} Carbon Emissions Dataset},
  year   = {2021},
  howpublished = {Teads Engineering}
}""",
    "ghg2015": """@techreport{ghg2015,
  author      = {{World Resources Institute}},
  title       = {{GHG} Protocol Scope 2 Guidance},
  year        = {2015},
  institution = {World Resources Institute}
}""",
    "khan2018": """@article{khan2018,
  author  = {Kashif Nizam Khan and Mikael Hirki and Tapio Niemi and Jukka K. Nurminen and Zhonghong Ou},
  title   = {{RAPL} in Action: Experiences in Using {RAPL} for Power Measurements},
  journal = {ACM Transactions on Modeling and Performance Evaluation of Computing Systems},
  volume  = {3},
  number  = {2},
  year    = {2018},
  doi     = {10.1145/3177754}
}""",
    "lannelongue2021": """@article{lannelongue2021,
  author  = {Lo{\\"i}c Lannelongue and Jason Grealey and Michael Inouye},
  title   = {Green Algorithms: Quantifying the Carbon Footprint of Computation},
  journal = {Advanced Science},
  volume  = {8},
  number  = {12},
  pages   = {2100707},
  year    = {2021},
  doi     = {10.1002/advs.202100707}
}""",
    "patterson2021": """@misc{patterson2021,
  author = {David Patterson and Joseph Gonzalez and Quoc Le and Chen Liang and Lluis-Miquel Munguia and
            Daniel Rothchild and David So and Maud Texier and Jeff Dean},
  title  = {Carbon Emissions and Large Neural Network Training},
  year   = {2021},
  eprint = {2104.10350},
  archivePrefix = {arXiv}
}""",
    "real2019": """@inproceedings{real2019,
  author    = {Esteban Real and Alok Aggarwal and Yanping Huang and Quoc V. Le},
  title     = {Regularized Evolution for Image Classifier Architecture Search},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year      = {2019},
  eprint    = {1802.01548},
  archivePrefix = {arXiv}
}""",
    "strubell2019": """@inproceedings{strubell2019,
  author    = {Emma Strubell and Ananya Ganesh and Andrew McCallum},
  title     = {Energy and Policy Considerations for Deep Learning in {NLP}},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2019},
  eprint    = {1906.02243},
  archivePrefix = {arXiv}
}""",
    "tan2019": """@inproceedings{tan2019,
  author    = {Mingxing Tan and Bo Chen and Ruoming Pang and Vijay Vasudevan and Mark Sandler and
               Andrew Howard and Quoc V. Le},
  title     = {{MnasNet}: Platform-Aware Neural Architecture Search for Mobile},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  eprint    = {1807.11626},
  archivePrefix = {arXiv}
}""",
    "yang2024": """@inproceedings{yang2024,
  author    = {Zeyu Yang and Karel Adamek and Wesley Armour},
  title     = {Accurate and Convenient Energy Measurements for {GPU}s: A Detailed Study of {NVIDIA} {GPU}'s Built-In
               Power Sensor},
  booktitle = {International Conference for High Performance Computing, Networking, Storage and Analysis (SC24)},
  year      = {2024},
  eprint    = {2312.02741},
  archivePrefix = {arXiv}
}""",
}


def bibtex(keys: set[str]) -> str:
    """Return the BibTeX of the given keys, sorted, one blank line apart.

    Raises:
        KeyError: if a key has no entry; a number without a source is a bug here.
    """
    return "\n\n".join(BIBLIOGRAPHY[key] for key in sorted(keys)) + ("\n" if keys else "")
